"""The disk cache between processes: a second one compiles nothing, two at once are both right, no folder does harm."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.safety.children import run, start, variables


@pytest.fixture(scope="module")
def right(tmp_path_factory) -> str:
    """The bits, by a process that has no cache at all."""
    found = told(tmp_path_factory.mktemp("none") / "a file", file=True)
    assert found["loaded"] == 0
    return found["bits"]


def told(home: Path, how: str = "at once", *, file: bool = False) -> dict[str, Any]:
    """What a child answers that has this cache folder; it says nothing else."""
    if file:
        home.write_text("no folder")
    done = run("-m", "tests.safety.answers", how, environment=variables(home))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_two_processes_at_once_on_an_empty_cache_are_both_right_and_a_third_compiles_nothing(right, tmp_path):
    home = tmp_path / "cache"
    children = [start("-m", "tests.safety.answers", "wait", environment=variables(home)) for _ in range(2)]
    for child in children:
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
    for child in children:
        child.stdin.write("\n")
        child.stdin.flush()
    answers = []
    for child in children:
        said, complained = child.communicate(timeout=600)
        assert complained == ""
        answers.append(json.loads(said))
    assert [each["bits"] for each in answers] == [right, right]
    assert all(each["compiled"] for each in answers), "they did not race"
    assert told(home) == {"loaded": answers[0]["compiled"], "compiled": 0, "bits": right}
    assert not [path for path in home.rglob("*") if ".tmp." in path.name]


def test_a_folder_that_cannot_be_written_does_no_harm(right, tmp_path):
    tmp_path.chmod(0o500)
    try:
        found = told(tmp_path, "powerless")
    finally:
        tmp_path.chmod(0o700)
    assert found["bits"] == right
    assert found["loaded"] == 0
    assert not list(tmp_path.iterdir())


def test_a_full_disk_does_no_harm(right, tmp_path):
    tmp_path.chmod(0o700)
    found = told(tmp_path, "full")
    assert found["bits"] == right
    assert found["compiled"] > 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_others_may_write_is_left_alone(right, tmp_path):
    tmp_path.chmod(0o777)
    found = told(tmp_path)
    assert (found["bits"], found["loaded"]) == (right, 0)
    assert not list(tmp_path.iterdir())
