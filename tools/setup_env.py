"""Makes .venv in the checkout, with xent itself and the extras named: python tools/setup_env.py cli dev.

Says how much it is going to download, and nothing is done twice: a stamp in the environment holds what it was made
from. Standard library only, for it runs before anything is installed.
"""

import concurrent.futures
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inside import ROOT, VENV, environment, python_of

# pip: 24.2 is the first whose dry run does not fetch the wheels. The others build the package, without a
# second environment whose downloads nobody would see.
FIRST = ("pip>=24.2", "hatchling>=1.26", "editables>=0.5")


def project() -> dict[str, Any]:
    """What pyproject.toml says about installing: its tables build-system and project."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {name: tables[name] for name in ("build-system", "project")}


def key_of(*parts: object) -> str:
    """A hash of what an environment is made from, this Python included."""
    text = json.dumps([sys.version, sys.base_prefix, FIRST, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def main(extras: Sequence[str]) -> int:
    """Bring .venv up to date; exit status 0, or 1 after saying what went wrong."""
    stamp = VENV / "xent-stamp.json"
    key = key_of(project())
    done = json.loads(stamp.read_text(encoding="utf-8")) if stamp.exists() else {}
    if done.get("key") == key and set(extras) <= set(done["extras"]) and works(VENV):
        say(f"{VENV.name} is up to date (Python {sys.version.split()[0]}): nothing to download")
        return 0
    start = time.monotonic()
    extras = sorted({*extras, *(done.get("extras", ()) if done.get("key") == key else ())})
    try:
        create(VENV)
        stamp.unlink(missing_ok=True)
        install(VENV, FIRST)
        # --no-build-isolation: what builds the package is among FIRST
        install(VENV, ["--no-build-isolation", "--editable", f"{ROOT}[{','.join(extras)}]"])
    except SetupError as error:
        print(f"xent: {error}", file=sys.stderr)
        return 1
    stamp.write_text(json.dumps({"key": key, "extras": extras}), encoding="utf-8")
    say(f"{VENV.name} is ready (Python {sys.version.split()[0]}), {time.monotonic() - start:.0f} s")
    return 0


class SetupError(Exception):
    """What could not be set up, and what to do, in a line."""


def say(line: str) -> None:
    """A line about progress."""
    print(f"set-up: {line}", file=sys.stderr, flush=True)


def works(venv: Path) -> bool:
    """Whether the environment runs, and runs this very Python (a moved checkout or an upgraded system breaks it)."""
    command = [str(python_of(venv)), "-c", "import sys; print(sys.version, sys.base_prefix, sys.prefix, sep='\\n')"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.splitlines() == [
        *f"{sys.version}\n{sys.base_prefix}".splitlines(),
        str(venv),
    ]


def create(venv: Path) -> None:
    """Make a virtual environment of this Python, unless there is one that works."""
    if works(venv):
        return
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(
                f"this Python ({sys.executable}) has no module {module}; on Debian and Ubuntu it is in the package "
                f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            )
    say(f"making {venv.relative_to(ROOT)} with {sys.executable}")
    venv.parent.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", "--clear", str(venv)], "could not make a virtual environment")


def install(venv: Path, arguments: Sequence[str]) -> None:
    """Run `pip install`, after saying how much there is to download."""
    wanted = plan(venv, arguments)
    if wanted:
        say(announce(wanted))
    quiet = () if sys.stderr.isatty() else ("--quiet",)
    run([*pip(venv), "install", *quiet, *arguments], "pip could not install what is needed", show=True)


def pip(venv: Path) -> list[str]:
    """The beginning of every call of pip."""
    return [str(python_of(venv)), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def plan(venv: Path, arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Name and address of every package that pip would fetch for these arguments, by its dry run."""
    command = [*pip(venv), "install", "--dry-run", "-qq", "--report", "-", *arguments]
    report = json.loads(run(command, "pip could not find what is needed"))
    return [
        (item["metadata"]["name"], item["download_info"]["url"])
        for item in report["install"]
        if "dir_info" not in item["download_info"]  # xent itself
    ]


def announce(wanted: Sequence[tuple[str, str]]) -> str:
    """How many packages come, and how much of them over the network."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sizes = list(pool.map(size, [url for _, url in wanted]))
    known = sum(filter(None, sizes)) / 1e6
    unknown = sum(each is None for each in sizes)
    return (
        f"{len(wanted)} package{'s' * (len(wanted) > 1)}, {known:.0f} MB to download"
        f"{f' and {unknown} of unknown size' if unknown else ''}"
    )


def size(url: str) -> int | None:
    """Bytes that a file would cost over the network: 0 if it is on this machine, None if nobody says."""
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        return 0
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10) as answer:  # noqa: S310 -- the scheme was looked at
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError):
        return None


def run(command: Sequence[str], complaint: str, *, show: bool = False) -> str:
    """Run a command inside the checkout and return its output; on failure a SetupError with its last lines."""
    result = subprocess.run(
        command,
        env=environment(),
        stdout=None if show and sys.stderr.isatty() else subprocess.PIPE,
        stderr=None if show and sys.stderr.isatty() else subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        last = "\n  ".join(((result.stdout or "") + (result.stderr or "")).strip().splitlines()[-12:])
        raise SetupError(f"{complaint} (exit status {result.returncode})" + (f":\n  {last}" if last else ""))
    return result.stdout or ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
