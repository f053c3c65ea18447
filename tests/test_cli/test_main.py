"""The command itself: help that fits, one message for every failure, exit statuses, JSON after a failure too."""

import io
import json
import subprocess
import sys

import pytest

import xent
from tests.test_cli.command import XENT, environment, xent_command
from xent.cli import main, predict, terminal
from xent.cli.terminal import joined, visible


def failed(capsys, *args: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command in this process."""
    try:
        status = main(list(args))
    except SystemExit as stop:  # argparse
        status = int(stop.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    "args",
    [["--help"], ["train", "--help"], ["predict", "--help"], ["explain", "--help"], ["bench", "--help"]],
    ids=str,
)
def test_help_fits_80_columns_and_says_what_the_exit_status_means(capsys, monkeypatch, args):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = failed(capsys, *args)

    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "exit status: 0 fine, 1 a finding or failure, 2 wrong usage, 130 after Ctrl-C" in out


def test_every_option_of_train_is_explained(capsys):
    out = failed(capsys, "train", "--help")[1]

    options = "target test hidden optimizer lr batch-size epochs patience seed reduction denominator label-smoothing"
    for option in (*options.split(), "class-weight", "micro-batches", "out", "resume", "repeat", "json"):
        assert f"  --{option} " in out


def test_the_version_is_that_of_the_package(capsys):
    assert failed(capsys, "--version") == (0, f"xent {xent.__version__}\n", "")


def test_help_needs_the_standard_library_and_numpy_only(tmp_path):
    program = (
        "import sys; from xent.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not names & {'rich', 'polars', 'sklearn', 'safetensors', 'matplotlib', 'jinja2', 'joblib', 'numba'}"
    )

    subprocess.run([sys.executable, "-c", program], check=True, env=environment(), cwd=tmp_path, capture_output=True)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "usage: xent"),
        (["tain"], "invalid choice: 'tain'"),
        (["train", "--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["train", "--lr"], "argument --lr: expected one argument"),
        (["train", "--epoch", "3"], "unrecognized arguments: --epoch"),
        (["train", "--hidden", "6x"], "argument --hidden: '6x': give widths like 64 or 64,32, or 0 for none"),
        (
            ["train", "--denominator", "rows"],
            "argument --denominator: 'rows': give weights, items, batch or a number above 0",
        ),
        (["train", "--optimizer", "lion"], "xent: --optimizer is lion: it must be sgd | momentum | adam."),
        (["train", "--denominator", "inf"], "xent: --denominator is inf: it must be"),
        (["train", "--seed", "-1"], "xent: --seed is -1: it must be"),
        (["train", "--hidden", "-4"], "xent: --hidden is -4: it must be"),
        (
            ["train", "--repeat", "3", "--out", "x"],
            "xent: --repeat does not go with --out: it writes no folder.",
        ),
        (
            ["train", "iris", "--resume", "x", "--lr", "1"],
            (
                "xent: --resume does not go with --lr, DATA: it goes on with the settings of the\n"
                "  run; only --epochs may change."
            ),
        ),
        (["predict"], "the following arguments are required: DIR, FILE"),
    ],
    ids=str,
)
def test_wrong_usage_is_status_2_and_one_message(capsys, args, message):
    status, out, err = failed(capsys, *args)

    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (["train", "no.csv"], "DataError", "there is no file no.csv."),
        (
            ["train", "digit"],
            "DataError",
            "there is no file digit. It is no built-in set either: digits, iris, wine,\n  breast_cancer, text.",
        ),
        (["train", "--resume", "no"], "DataError", "there is no folder no: give one that `xent train` wrote."),
        (["predict", "no", "x.csv"], "DataError", "there is no folder no: give one that `xent train` wrote."),
    ],
)
def test_a_failure_is_status_1_and_one_message_and_json_says_which(capsys, monkeypatch, tmp_path, args, kind, message):
    monkeypatch.chdir(tmp_path)
    plain = failed(capsys, *args)
    status, out, err = failed(capsys, *args, "--json")

    assert plain == (1, "", f"xent: {message}\n")
    assert (status, err) == (1, f"xent: {message}\n")
    told = json.loads(out)["error"]
    assert (told["kind"], told["status"]) == (kind, 1)
    assert told["message"] == message.replace("\n ", "")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["polars", "safetensors", "sklearn", "joblib"])
def test_a_missing_package_is_one_line(capsys, monkeypatch, tmp_path, package):
    monkeypatch.chdir(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    args = ["train", "iris", "--repeat", "2"] if package == "joblib" else ["train", "iris", "--epochs", "1"]
    status, out, err = failed(capsys, *args)

    name = "scikit-learn" if package == "sklearn" else package
    assert (status, out.partition("\n")[0][:5]) in {(1, ""), (1, "iris:")}
    assert err.endswith(f'xent: this needs the package {name}, which is not installed:\n  pip install "xent[cli]"\n')


def raising(error: BaseException):
    """A command that fails."""

    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "xent: not enough memory for this data."),
        (
            OSError(28, "No space left on device", "runs/x/metrics.jsonl"),
            "xent: runs/x/metrics.jsonl: No space left on device.",
        ),
        (
            ZeroDivisionError("division by zero"),
            (
                "xent: a mistake in xent itself: ZeroDivisionError: division by zero\n"
                "  Please report it, with what the environment variable XENT_TRACEBACK=1 shows."
            ),
        ),
        (xent.DataError("row \x1b[31m 3"), "xent: row \\x1b[31m 3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_goes_wrong_is_no_traceback(capsys, monkeypatch, error, message):
    monkeypatch.setattr(predict, "run", raising(error))
    monkeypatch.delenv("XENT_TRACEBACK", raising=False)

    assert failed(capsys, "predict", "x", "y") == (1, "", message + "\n")


def test_a_mistake_of_ours_can_be_traced(monkeypatch):
    monkeypatch.setattr(predict, "run", raising(ZeroDivisionError()))
    monkeypatch.setenv("XENT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["predict", "x", "y"])


def test_ctrl_c_is_status_130(capsys, monkeypatch):
    monkeypatch.setattr(predict, "run", raising(KeyboardInterrupt()))

    assert failed(capsys, "predict", "x", "y") == (130, "", "\nxent: stopped.\n")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    command = " ".join(f"'{word}'" for word in XENT)
    script = f"{command} train iris --epochs 1 --out r | true; echo ${{PIPESTATUS[0]}}"
    found = subprocess.run(
        ["/bin/bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )

    assert "Traceback" not in found.stderr
    assert found.stdout.strip() in {"0", "1"}


# -------------------------------------------------------------------------------------------------------- characters


def test_what_an_encoding_lacks_is_replaced_by_ascii_of_the_same_meaning():
    terminal.prepare_streams()
    for encoding, expected in {
        "ascii": b"1 - 2, a -> b 3x ... \\u6f22 <= \xb1".replace(b"\xb1", b"\\xb1"),
        "utf-8": "1 · 2, a → b 3× … 漢 ≤ ±".encode(),
    }.items():
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding, errors="xent")
        stream.write("1 · 2, a → b 3× … 漢 ≤ ±")
        stream.flush()
        assert raw.getvalue() == expected


@pytest.mark.parametrize("encoding", ["cp932", "ascii"])
def test_every_character_of_a_report_can_be_written_in_every_encoding(encoding, tmp_path):
    found = xent_command("train", "iris", "--epochs", 2, cwd=tmp_path, PYTHONIOENCODING=encoding)

    assert found.returncode == 0
    assert "\n test           loss" in found.stdout
    assert "Traceback" not in found.stderr


def test_control_characters_of_data_never_reach_the_terminal():
    assert visible("a\x1b]0;title\x07\rb\u202e\u200b\ud800") == "a\\x1b]0;title\\x07\\rb\\u202e\\u200b\\ud800"
    assert visible("é漢\n") == "é漢\n"


def test_parts_are_broken_between_and_not_within():
    assert joined(["a" * 40, "b" * 30, "c" * 30]).splitlines() == ["a" * 40 + " · " + "b" * 30, "c" * 30]
