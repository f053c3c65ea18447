"""The wheel: pure, whole, without a file of tests, and of use where nothing but its requirements is installed."""

import email
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.contracts.test_names import EVERY

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_is_pure(wheel, files):
    (about,) = (text for name, text in files.items() if name.endswith(".dist-info/WHEEL"))
    assert "Root-Is-Purelib: true" in about.decode()
    assert "Tag: py3-none-any" in about.decode()
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in files if name.endswith((".so", ".pyd", ".dylib", ".pyc", ".nbi", ".nbc"))]


def test_it_holds_the_package_whole_and_nothing_else(files):
    source = ROOT / "src"
    ours = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in (source / "xent").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"xent/py.typed", "xent/_page/style.css", "xent/train/templates/report.html.j2"} <= set(ours)
    assert {name: text for name, text in files.items() if ".dist-info/" not in name} == ours
    assert not [name for name in files if "test" in name.lower().replace("latest", "")]


def test_it_is_small(wheel):
    assert wheel.stat().st_size < 700_000  # sources, PyTorch's front end among them, and two small data sets


def test_its_metadata(files):
    (text,) = (text for name, text in files.items() if name.endswith(".dist-info/METADATA"))
    about = email.message_from_bytes(text)
    assert about["Name"] == "xent"
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.11"
    assert {"cli", "all", "dev"} <= set(about.get_all("Provides-Extra"))
    required = {each.split(">")[0] for each in about.get_all("Requires-Dist") if "extra ==" not in each}
    assert required == {"numpy", "numba"}
    assert about.get_payload().startswith("# xent")
    assert any(name.endswith("/licenses/LICENSE") for name in files)
    (points,) = (text for name, text in files.items() if name.endswith("entry_points.txt"))
    assert "xent = xent.cli:main" in points.decode()


def test_the_environment_holds_the_wheel_and_what_it_requires(inside):
    code = "import importlib.metadata as m, json; print(json.dumps(sorted(d.name.lower() for d in m.distributions())))"
    assert set(json.loads(inside("-c", code).stdout)) - {"pip", "setuptools"} == {"xent", "numpy", "numba", "llvmlite"}


def test_it_is_the_installed_one_that_runs(inside):
    done = inside("-c", "import xent; print(xent.__file__)")
    assert "site-packages" in done.stdout, done.stderr


LATER = ("xent.load",)  # needs the extra cli


def test_the_public_names_are_there_without_an_extra(inside):
    names = [name for name in EVERY if name not in LATER]
    code = "import functools, xent, xent.book, xent.numpy\n" + "\n".join(f"print(callable({name}))" for name in names)
    done = inside("-W", "error", "-c", code)
    assert (done.stdout.split(), done.stderr) == (["True"] * len(names), "")


def test_the_loss_is_right(inside):
    call = "loss, grad = xent.value_and_grad([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0])"
    code = f"import xent; {call}; print(f'{{loss:.7f}}', *grad[0].round(4))"
    done = inside("-W", "error", "-c", code)
    assert (done.stdout, done.stderr) == ("0.4076060 0.045 0.1224 -0.1674\n", "")


WITHOUT = [("--help",), ("--version",), ("train", "--help"), ("predict", "--help"), ("sweep", "--help")]


@pytest.mark.parametrize("arguments", WITHOUT, ids=" ".join)
def test_the_command_line_helps_without_an_extra(inside, arguments):
    done = inside("-m", "xent", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "xent" in done.stdout


@pytest.mark.parametrize("arguments", [("explain",), ("explain", "--why"), ("explain", "iris")], ids=" ".join)
def test_a_batch_is_drawn_without_an_extra(inside, arguments):
    done = inside("-m", "xent", *arguments, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "numbers agree with finite differences" in done.stdout


def test_the_command_is_installed(inside):
    code = (
        "import pathlib, subprocess, sys; subprocess.run([pathlib.Path(sys.executable).parent / 'xent', '--version'])"
    )
    assert inside("-c", code).stdout.split()[0] == "xent"


def test_training_without_the_extra_says_what_to_install(inside):
    done = inside("-m", "xent", "train", "digits")
    assert done.returncode == 1
    assert done.stdout == ""
    assert 'pip install "xent[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_loading_without_the_extra_says_what_to_install(inside, tmp_path):
    train = ["train", "iris", "--hidden", "0", "--epochs", "1", "--out", str(tmp_path / "run")]
    subprocess.run([sys.executable, "-m", "xent", *train], check=True, capture_output=True)
    attempt = f"try:\n    xent.load({str(tmp_path / 'run')!r})\nexcept xent.MissingError as error:\n    print(error)"
    done = inside("-c", f"import xent\n{attempt}")
    assert 'pip install "xent[cli]"' in done.stdout, done.stderr
