"""The disk cache between processes: a second one compiles nothing, two at once are both right, no folder does harm."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.safety.answers import answer, light_answer
from tests.safety.children import LONG, run, start, variables


def begun(home: Path) -> subprocess.Popen[str]:
    """A child that is about to compile, with this cache folder."""
    child = start("-m", "tests.safety.answers", "wait", environment=variables(home))
    assert child.stdout.readline() == "ready\n", child.communicate()[1]
    return child


def told(child: subprocess.Popen[str]) -> dict[str, Any]:
    """What it answers once it may go on; it says nothing else."""
    said, complained = child.communicate("\n", timeout=LONG)
    assert (child.returncode, complained) == (0, "")
    return json.loads(said)


def test_two_processes_at_once_on_an_empty_cache_are_both_right_and_a_third_compiles_nothing(tmp_path):
    home = tmp_path / "cache"
    children = [begun(home), begun(home)]
    for child in children:  # both at once
        child.stdin.write("\n")
        child.stdin.flush()
    answers = [told(child) for child in children]
    assert [each["bits"] for each in answers] == [answer(), answer()]
    assert all(each["compiled"] for each in answers), "they did not race"
    assert told(begun(home)) == {"loaded": answers[0]["compiled"], "compiled": 0, "bits": answer()}
    assert not [path for path in home.rglob("*") if ".tmp." in path.name]


def harmless(home: Path, how: str) -> None:
    """A child has the right answer, says nothing, and leaves nothing behind."""
    done = run("-m", "tests.safety.answers", how, environment=variables(home))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["bits"], found["loaded"]) == (light_answer(), 0)
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path):
    tmp_path.chmod(0o500)
    try:
        harmless(tmp_path, "powerless")
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_does_no_harm(tmp_path):
    tmp_path.chmod(0o700)
    harmless(tmp_path, "full")
