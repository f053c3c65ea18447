"""Python in child processes, and the text of a module changed on purpose."""

import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONG = 600  # seconds; a child that hangs fails its test


def variables(folder: Path | str | None = None, **changes: str) -> dict[str, str]:
    """The environment of a child: these modules, compiled kernels, and a cache folder of its own where one is given."""
    found = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "NUMBA_DISABLE_JIT": "0"}
    if folder is not None:
        found["XENT_CACHE_DIR"] = str(folder)
    return found | changes


def start(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Python with these arguments, begun."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment or variables(),
        cwd=ROOT,
    )


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The same to its end."""
    child = start(*arguments, environment=environment)
    try:
        said, complained = child.communicate(timeout=LONG)
    finally:
        child.kill()
    return subprocess.CompletedProcess(child.args, child.returncode, said, complained)


def changed(name: str, old: str, new: str) -> types.ModuleType:
    """A module made of another's text, in which `old` stands for `new`: a mistake made on purpose."""
    real = importlib.import_module(name)
    text = Path(str(real.__file__)).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
    made = types.ModuleType(name)
    made.__dict__.update(__file__=real.__file__, __package__=real.__package__)
    exec(compile(text.replace(old, new), f"{name}, changed", "exec"), made.__dict__)  # noqa: S102 -- our own text
    return made


def replace(old: object, new: object) -> None:
    """Have every module of the package that holds `old` under some name hold `new`."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "xent":
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)
