"""`xent sweep` from end to end: what it prints where, piped, live, stopped, and what it refuses."""

import json
import re
from pathlib import Path

import pytest

from tests.test_cli.command import on_terminal, xent_command
from xent.cli import main
from xent.train import sweep_page
from xent.train.sweep_record import Sweep

GRID = ("--batch-size", "1,4,16,64", "--lr", "1/16,1/4,1,4", "--seeds", "2", "--epochs", "4", "--updates", "12")
GOES_ON = ": it goes on with the settings of the sweep."
CURSOR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory; drawing takes seconds and is tested elsewhere."""
    monkeypatch.setattr(sweep_page, "render", lambda sweep: f"<title>{sweep.title}</title>")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_piped_it_is_plain_lines_with_results_on_stdout_and_progress_on_stderr(here, capsys):
    assert main(["sweep", "iris", *GRID, "--jobs", "1"]) == 0
    found = capsys.readouterr()

    assert "\nmean · fewest updates to a training loss of " in found.out
    assert found.out.endswith(
        " runs/iris-sweep-1/   report.html   sweep.csv   sweep.json\n"
        " open    runs/iris-sweep-1/report.html\n"
        " again   xent sweep iris --batch-size 1,4,16,64 --lr 1/16,1/4,1,4 --seeds 2 --epochs 4 --updates 12\n"
    )
    assert found.err.startswith(
        "iris: 150 rows, 4 features, 3 classes\nsoftmax regression · 32 points of the grid · 2 seeds each\n"
        "folder runs/iris-sweep-1\n"
    )
    assert found.err.endswith("32 of 32 points  the gradient's noise\n")
    lines = (found.out + found.err).splitlines()
    assert max(len(line) for line in lines if "xent sweep" not in line) <= 80
    assert "\x1b" not in found.out + found.err


def test_json_is_the_record_and_nothing_else(here, capsys):
    assert main(["sweep", "iris", *GRID, "--jobs", "1", "--json", "--out", "there"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    record = Sweep.from_dict(json.loads(text))
    assert record == Sweep.from_dict(json.loads(Path("there/sweep.json").read_text(encoding="utf-8")))


def test_on_a_terminal_one_line_is_redrawn_with_the_time_left(tmp_path):
    status, written = on_terminal("sweep", "iris", *GRID, "--epochs", "30", "--jobs", "1", cwd=tmp_path)
    drawn = CURSOR.sub(b"", written).decode()
    lines = [line for piece in drawn.splitlines() for line in piece.split("\r")]
    assert status == 0
    assert any(re.match(r" \d+ of \d+ points ━*.* \d+:\d\d left", line) for line in lines)
    assert max(len(line) for line in lines if "xent sweep" not in line) <= 80


def test_ctrl_c_says_how_to_go_on_and_that_works(tmp_path):
    many = ("iris", "--batch-size", "1..64", "--seeds", "5", "--epochs", "300", "--jobs", "2")
    status, written = on_terminal("sweep", *many, cwd=tmp_path, interrupt_after=b"left")
    assert status == 130
    assert b"Traceback" not in written
    said = CURSOR.sub(b"", written).decode()
    assert "stopped; what is done is kept; go on with   xent sweep --resume runs/iris-sweep-1" in said
    assert list((tmp_path / "runs/iris-sweep-1/cells").glob("*.json"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--lr", "1..x"], "argument --lr: '1..x': give numbers like 0.1,0.3 or a doubling range like 1/64..8"),
        (
            ["--batch-size", "1.5"],
            "argument --batch-size: '1.5': give whole numbers like 1,8,64 or a doubling range like 1..64",
        ),
        (["--hidden", "x"], "argument --hidden: 'x': give widths like 64 or 64,32, or 0 for none"),
    ],
)
def test_wrong_usage_says_what_is_right(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *words])
    assert stop.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume", "x", "iris", "--seeds", "2"], f"--resume does not go with DATA, --seeds{GOES_ON}"),
        (["--resume", "x", "--out", "y"], f"--resume does not go with --out{GOES_ON}"),
        (["iris", "--lr", "0"], "--lr is 0: it must be different numbers above 0."),
        (["iris", "--jobs", "0"], "--jobs is 0: it must be a whole number above 0."),
    ],
)  # fmt: skip
def test_options_that_are_refused_write_nothing(here, words, message, capsys):
    assert main(["sweep", *words]) == 2
    assert " ".join(capsys.readouterr().err.split()) == f"xent: {message}"
    assert not list(here.iterdir())


def test_data_that_is_not_there_is_said_so(tmp_path):
    found = xent_command("sweep", "no.csv", cwd=tmp_path)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("xent: there is no file no.csv.")


def test_the_help_fits(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
