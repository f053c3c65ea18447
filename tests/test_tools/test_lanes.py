"""The lane runner: counts what pytest says, passes on every failure, and knows no lane without a test."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lanes(monkeypatch, tmp_path_factory):
    """The module of tools/lanes.py, with a folder of its own for reports: these tests may run side by side."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    names = ("lanes", "wheels", "setup_env", "inside")
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("lanes")
    monkeypatch.setattr(module, "CACHE", tmp_path_factory.mktemp("reports"))
    yield module
    for name in names:
        sys.modules.pop(name, None)


TESTS = """
import pytest

def test_good():
    pass

def test_bad():
    assert 1 == 2

@pytest.fixture
def broken():
    raise ValueError

def test_broken(broken):
    pass

def test_left_out():
    pytest.importorskip("no_such_module", reason="no browser")
"""


def run(lanes, monkeypatch, tmp_path, text, *words):
    """Run the runner on one lane that holds one file of tests."""
    (tmp_path / "test_it.py").write_text(text)
    monkeypatch.setattr(lanes, "LANES", (lanes.Lane("only", "a test", (str(tmp_path),), workers=0),))
    return lanes.main(words)


def test_it_counts_passed_failed_and_skipped_and_fails(lanes, monkeypatch, tmp_path, capfd):
    assert run(lanes, monkeypatch, tmp_path, TESTS) == 1
    said = capfd.readouterr().out.splitlines()
    assert said[-1] == "1 passed, 2 failed, 1 skipped"
    assert "skipped in only, 1: no browser" in said


def test_a_skip_is_fine_unless_it_is_forbidden(lanes, monkeypatch, tmp_path, capfd):
    text = "import pytest\ndef test_a(): pytest.importorskip('no_such_module')\ndef test_b(): pass\n"
    assert run(lanes, monkeypatch, tmp_path, text) == 0
    assert run(lanes, monkeypatch, tmp_path, text, "--no-skip") == 1
    assert capfd.readouterr().out.endswith("1 passed, 0 failed, 1 skipped\n")


@pytest.mark.parametrize("text", ["", "def test_a(:\n", "import no_such_module\n"], ids=["empty", "syntax", "import"])
def test_a_lane_in_which_nothing_could_run_fails(lanes, monkeypatch, tmp_path, capfd, text):
    assert run(lanes, monkeypatch, tmp_path, text) == 1
    assert capfd.readouterr().out.endswith("0 passed, 1 failed, 0 skipped\n")


def test_a_lane_that_cannot_be_set_up_fails(lanes, monkeypatch, tmp_path, capfd):
    def fail():
        raise lanes.SetupError("pip could not install what is needed")

    monkeypatch.setattr(lanes, "LANES", (lanes.Lane("only", "a test", (str(tmp_path),), prepare=fail),))
    assert lanes.main([]) == 1
    out, err = capfd.readouterr()
    assert out.endswith("0 passed, 1 failed, 0 skipped\n")
    assert "only could not be run: pip could not install what is needed" in err


def test_a_lane_that_does_not_exist_is_a_usage_error(lanes, capsys):
    with pytest.raises(SystemExit) as caught:
        lanes.main(["cores"])
    assert caught.value.code == 2
    assert "no lane cores; there are core, laws" in capsys.readouterr().err


def test_every_file_of_tests_is_in_one_lane(lanes):
    listed = subprocess.run(["git", "ls-files", "tests"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [Path(line) for line in listed.stdout.splitlines() if Path(line).name.startswith("test_")]
    assert files
    for file in files:
        homes = [
            lane.name
            for lane in lanes.LANES
            if not lane.again
            and any(file.is_relative_to(path) for path in lane.paths)
            and not (lane.rest and any(file.is_relative_to(path) for path in lanes.others()))
        ]
        assert len(homes) == 1, (file, homes)


def test_the_lowest_version_of_each_requirement_is_known(lanes):
    wheels = sys.modules["wheels"]
    bounds = [wheels.lower_bound(each) for each in wheels.requirements()]
    assert [bound.split("==")[0] for bound in bounds] == ["numpy", "numba"]
