"""The wheel under test, and the interpreter of the fresh environment that it was installed into."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Path of the built wheel."""
    return Path(asked("XENT_WHEEL"))


@pytest.fixture(scope="session")
def inside(tmp_path_factory):
    """A function that runs the fresh environment's Python, in a folder of its own."""
    python, folder = asked("XENT_WHEEL_PYTHON"), tmp_path_factory.mktemp("elsewhere")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *arguments],
            cwd=folder,
            env=kept | {"PYTHONDONTWRITEBYTECODE": "1"} | variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run


def asked(variable: str) -> str:
    """A variable that the lane sets; without it these tests cannot run, which is no reason to pass."""
    if variable not in os.environ:
        pytest.fail(f"{variable} is not set: run these tests by `make test LANES=wheel`", pytrace=False)
    return os.environ[variable]
