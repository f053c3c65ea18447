"""Keeps everything that the project's commands write inside the checkout, below .cache/.

    python tools/inside.py COMMAND ...      runs a command so

Settings of pip that the machine or its user made (an index, a certificate, a folder of wheels) stay in force.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def environment(*, home: bool = False) -> dict[str, str]:
    """The variables of this process, with every cache and temporary folder below .cache/.

    home   also moves the home folder there: for tests, whose browser writes into it. Not for pip, whose settings
           may lie in the real one.
    """
    inside = {
        "TMPDIR": "tmp",
        "TEMP": "tmp",
        "TMP": "tmp",
        "PIP_CACHE_DIR": "pip",
        "PYTHONPYCACHEPREFIX": "pycache",  # also of the standard library, if it came without
        "XENT_CACHE_DIR": "xent",
        "MPLCONFIGDIR": "matplotlib",
        "HYPOTHESIS_STORAGE_DIRECTORY": "hypothesis",
        "JOBLIB_TEMP_FOLDER": "tmp",
        "SCIKIT_LEARN_DATA": "scikit-learn",
    }
    if home:
        inside |= {
            "HOME": "home",
            "USERPROFILE": "home",
            "XDG_CACHE_HOME": "home/.cache",
            "XDG_CONFIG_HOME": "home/.config",
            "XDG_DATA_HOME": "home/.local/share",
        }
    for folder in set(inside.values()):
        (CACHE / folder).mkdir(parents=True, exist_ok=True)
    (CACHE / "xent").chmod(0o700)  # kernels are kept only where nobody else may write
    variables = os.environ | {name: str(CACHE / folder) for name, folder in inside.items()}
    variables["PATH"] = f"{python_of(VENV).parent}{os.pathsep}{variables.get('PATH', os.defpath)}"
    for name in (
        "PYTHONDONTWRITEBYTECODE",  # would make every start compile everything anew
        "PYTHONPATH",  # the environment's packages, no others
        "PYTHONHOME",
        "VIRTUAL_ENV",
    ):
        variables.pop(name, None)
    return variables


if __name__ == "__main__":
    sys.exit(subprocess.run(sys.argv[1:], env=environment(), check=False).returncode)
