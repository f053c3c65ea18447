"""Measures what `pip install xent` takes on disk and `import xent` takes in time: the built wheel, a fresh environment.

Run it: make install-size
"""

import json
import platform
import subprocess

from inside import environment, python_of
from wheels import bring

RUNS = 15

# In the measured environment: bytes of every distribution but pip, by name and version.
SIZES = """
import importlib.metadata as metadata, json
print(json.dumps({
    f"{each.name} {each.version}": sum(f.locate().stat().st_size for f in each.files or [] if f.locate().exists())
    for each in metadata.distributions() if each.name not in ("pip", "setuptools")
}))
"""
FIRST_CALL = """
import time, numba, xent
t = time.perf_counter()
xent.value_and_grad([[0.0, 1.0]], [0])
print(time.perf_counter() - t)
"""


def main() -> None:
    """Print the table."""
    python = str(python_of(bring("plain", [])))

    def out(code: str) -> str:
        command = [python, "-c", code]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout

    def seconds(code: str) -> float:
        timed = f"import time; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
        out(timed)  # files into the page cache
        return min(float(out(timed)) for _ in range(RUNS))

    sizes = json.loads(out(SIZES))
    numpy, xent = seconds("import numpy"), seconds("import xent")
    out(FIRST_CALL)
    warm = min(float(out(FIRST_CALL)) for _ in range(RUNS))
    machine = f"{platform.system()} {platform.machine()}, {processor()}"
    print(f"Python {platform.python_version()}, {machine}, best of {RUNS}")
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        print(f"  {name:20} {size / 1e6:8.2f} MB")
    print(f"pip install xent       {sum(sizes.values()) / 1e6:8.0f} MB")
    print(f"import numpy           {numpy * 1e3:8.0f} ms")
    print(f"import xent            {xent * 1e3:8.0f} ms, NumPy included")
    print(f"first call, warm cache {warm * 1e3:8.0f} ms, beyond importing Numba")


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:  # noqa: PTH123 -- a device, not a file
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "processor unknown"


if __name__ == "__main__":
    main()
