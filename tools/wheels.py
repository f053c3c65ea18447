"""Builds the wheel, and the environments of lanes: plain, with the lowest versions supported, and with PyTorch."""

import functools
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from inside import CACHE, ROOT, python_of
from setup_env import FIRST, SetupError, create, install, key_of, pip, plan, project, run, works

Prepare = Callable[[], tuple[str, dict[str, str]]]

# What a sample of the tests needs beside the package itself.
TOOLS = ("pytest", "pytest-xdist", "hypothesis", "mpmath", "ml_dtypes", "scipy")

# Contemporaries of the lowest versions that nothing else asks for: Matplotlib 3.9 calls what pyparsing 3.2 warns of.
OLD = ("pyparsing<3.2",)


# PyTorch for the tests, and what its own samples of the loss need; expecttest: torch.testing._internal imports it.
TORCH = "torch==2.13.0"
TORCH_TOOLS = (*TOOLS, "sybil", "expecttest")


class LeftOut(Exception):  # noqa: N818  # no error: a lane that is not for this Python
    """Why a lane is not run here."""


def nothing() -> tuple[str, dict[str, str]]:
    """The environment of development, as it is: its interpreter, and no variable."""
    return sys.executable, {}


def plain() -> tuple[str, dict[str, str]]:
    """The wheel and what it requires, nothing else; pytest stays outside and is told where it lies."""
    venv = bring("plain", [])
    return sys.executable, {"XENT_WHEEL": str(build()), "XENT_WHEEL_PYTHON": str(python_of(venv))}


def lowest() -> tuple[str, dict[str, str]]:
    """The wheel and the lowest version of each package that it can use, with the tools of the tests."""
    bounds = [lower_bound(each) for each in [*requirements(), *requirements("cli")]]
    tools = [str(each) for each in requirements("dev") if each.name in TOOLS]
    return str(python_of(bring("lowest", [*bounds, *OLD, *tools]))), {}


def torch() -> tuple[str, dict[str, str]]:
    """The checkout, PyTorch for the CPU and the tools of the tests. LeftOut where gigabytes of CUDA would come."""
    tools = [str(each) for each in requirements("dev") if each.name in TORCH_TOOLS]
    wanted = ["--no-build-isolation", "--editable", f"{ROOT}[torch]", TORCH, *tools]
    venv = CACHE / "venvs" / "torch"
    stamp, key = venv / "xent-stamp.json", key_of(project(), wanted)
    if not (stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == key and works(venv)):
        create(venv)
        install(venv, FIRST)
        cuda = [name for name, _ in plan(venv, wanted) if name.startswith(("nvidia-", "cuda-", "triton"))]
        if cuda:
            version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            raise LeftOut(f"on {version} {TORCH} brings {len(cuda)} CUDA packages, as {cuda[0]}; on 3.11 it does not")
        install(venv, wanted)
        stamp.write_text(json.dumps(key), encoding="utf-8")
    return str(python_of(venv)), {}


@functools.cache
def build() -> Path:
    """Build the source archive, and from it the wheel."""
    folder = CACHE / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        "the wheel could not be built",
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def bring(name: str, also: Sequence[str]) -> Path:
    """An environment with the wheel as it is now; made anew only if what it requires has changed."""
    wheel, venv = build(), CACHE / "venvs" / name
    stamp, key = venv / "xent-stamp.json", key_of(project(), list(also))
    if not (stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == key and works(venv)):
        shutil.rmtree(venv, ignore_errors=True)
        create(venv)
        install(venv, FIRST[:1])
        install(venv, [str(wheel), *also])
        stamp.write_text(json.dumps(key), encoding="utf-8")
    run(
        [*pip(venv), "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)],
        "the wheel cannot be installed",
    )
    return venv


def requirements(extra: str = "") -> list[Requirement]:
    """What the package requires on this Python, or what one of its extras adds."""
    table = project()["project"]
    listed = table["optional-dependencies"][extra] if extra else table["dependencies"]
    found = [Requirement(line) for line in listed]
    return [each for each in found if each.marker is None or each.marker.evaluate()]


def lower_bound(requirement: Requirement) -> str:
    """The requirement, at the lowest version that it allows."""
    bounds = [each.version for each in requirement.specifier if each.operator == ">="]
    if len(bounds) != 1:
        raise SetupError(f"{requirement} should have one lower bound (>=)")
    return f"{requirement.name}=={bounds[0]}"
