"""`xent bench` as a user runs it."""

import json
import subprocess
import time

import pytest

from tests.test_bench.made import measured, record
from tests.test_cli.command import XENT, environment, on_terminal, xent_command
from xent.bench.record import Record
from xent.bench.task import Task

TINY = ("--shapes", "20x5,3x4", "--peers", "numpy", "--rounds", "2", "--threads", "1")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run of the command, and its folder."""
    folder = tmp_path_factory.mktemp("bench")
    return xent_command("bench", *TINY, "--json", "run.json", "--html", "run.html", cwd=folder), folder


def test_it_measures_shows_and_writes(done):
    ran, folder = done
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [
        "shape 1 of 2: 20 × 5",
        "shape 2 of 2: 3 × 4",
        "wrote run.json",
        "wrote run.html",
    ]
    assert ran.stdout.count("▸ xent ") == 2
    assert ran.stdout.count("NumPy textbook ") == 2
    assert max(map(len, ran.stdout.splitlines())) <= 80
    saved = Record.load(folder / "run.json")
    assert [each.task for each in saved.shapes] == [Task(20, 5), Task(3, 4)]
    assert saved.command == "xent bench " + " ".join(TINY) + " --json run.json --html run.html"
    assert (folder / "run.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_saved_run_is_shown_again_and_nothing_is_measured(done):
    ran, folder = done
    shown = xent_command("bench", "--read", "run.json", cwd=folder)
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert shown.stdout.strip() == ran.stdout.strip()


def test_json_on_stdout_is_one_object_and_the_shapes_are_those_of_the_compared_run(done):
    _, folder = done
    ran = xent_command("bench", *TINY[2:], "--compare", "run.json", "--json", cwd=folder)
    values = json.loads(ran.stdout)
    assert [each["shape"] for each in values["shapes"]] == ["20x5", "3x4"]
    assert len(values["comparison"]["lines"]) == 2
    assert ran.returncode == int(not values["comparison"]["ok"])


def test_worse_than_before_is_a_finding(tmp_path):
    record(measured(Task(4096, 1000))).save(tmp_path / "old.json")
    record(measured(Task(4096, 1000), (3.0, 3.1, 3.2))).save(tmp_path / "new.json")
    worse = xent_command("bench", "--read", "new.json", "--compare", "old.json", cwd=tmp_path)
    assert worse.returncode == 1
    assert worse.stdout.endswith("1 of 1 shapes got worse.\n")
    better = xent_command("bench", "--read", "old.json", "--compare", "new.json", cwd=tmp_path)
    assert better.returncode == 0
    assert "better 4096 × 1000" in better.stdout


WRONG = [
    (("--dtype", "int8"), "xent: --dtype is 'int8': there are float32, float64, float16, bfloat16."),
    (("--targets", "onehot"), "xent: --targets is 'onehot': there are indices, smoothing, rows."),
    (("--rounds", "0"), "xent: --rounds is 0: it must be above 0."),
    (("--threads", "-2"), "xent: --threads is -2: it must be above 0."),
    (("--seed", "-1"), "xent: --seed is -1: it must not be negative."),
    (("--limit", "nan"), "xent: --limit is nan: it must be above 0."),
    (("--quick", "--shapes", "3x3"), "xent: --quick does not go with --shapes: it has shapes of its own; give"),
    (("--loss-only", "--in-place"), "xent: --loss-only does not go with --in-place: the loss writes no gradient."),
    (("--json", "run.txt"), "xent: --json run.txt: the file's name must end in .json."),
    (("--html", "no/such/a.html"), "xent: --html no/such/a.html: there is no folder no/such."),
    (("--read", "a.json", "--quick"), "xent: --read does not go with --quick: nothing is measured."),
    (("--peers", "pytorch"), "xent: --peers has 'pytorch': there are xent, xent-new, numpy, scipy, sklearn,"),
    (("--shapes", "12"), "xent: --shapes has '12': give rows × classes (65536x1000), rows × hidden ×"),
    (("--shapes", "9999999x99999999"), "xent: --shapes has '9999999x99999999': more than 2**40 logits."),
]


@pytest.fixture(scope="module")
def wrongs(tmp_path_factory):
    return tmp_path_factory.mktemp("wrong")


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else ""
)
def test_wrong_usage_is_said_and_status_2(words, message, wrongs, capsys, monkeypatch):
    from xent.cli import main

    monkeypatch.chdir(wrongs)
    assert main(["bench", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(message)


def test_a_file_that_is_no_result_is_said_before_anything_is_measured(tmp_path):
    (tmp_path / "other.json").write_text('{"a": 1}')
    ran = xent_command("bench", "--compare", "other.json", "--json", cwd=tmp_path)
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["error"]["kind"] == "DataError"
    assert "this is no result of `xent bench`" in ran.stderr


def test_a_terminal_sees_progress_and_the_table(tmp_path):
    status, written = on_terminal("bench", *TINY, cwd=tmp_path)
    text = written.decode()
    assert status == 0
    assert "1/2 20 × 5" in text
    assert "▸ xent" in text


def test_ended_from_outside_it_leaves_no_process_and_no_file(tmp_path):
    env = environment(TMPDIR=str(tmp_path))
    process = subprocess.Popen(
        [*XENT, "bench", "--shapes", "99x9", "--rounds", "100000"], env=env, stderr=subprocess.PIPE
    )
    assert process.stderr.readline() == b"shape 1 of 1: 99 \xc3\x97 9\n"
    while not list(tmp_path.glob("xent-bench-*/xent.log")):
        time.sleep(0.01)
    process.terminate()
    process.stderr.close()
    assert process.wait(20) == 143
    assert list(tmp_path.iterdir()) == []
