"""`xent train` from end to end: what it prints where, at 80 columns, piped, live, stopped, and with bad data."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.test_cli.command import on_terminal, xent_command
from tests.test_train.tables import flowers, write_csv
from xent.cli import main, show
from xent.train import report
from xent.train.repeat import Repeated
from xent.train.run import Run

CURSOR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def plain_report(monkeypatch):
    """Drawing takes a second and is tested elsewhere."""
    monkeypatch.setattr(report, "render", lambda run: f"<title>{run.title}</title>")


@pytest.fixture
def here(tmp_path, monkeypatch, plain_report):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_piped_it_is_plain_lines_with_results_on_stdout_and_progress_on_stderr(tmp_path):
    found = xent_command("train", cwd=tmp_path)

    assert found.returncode == 0
    assert found.stdout.startswith(
        "digits: 1797 rows, 64 features, 10 classes\n"
        "train 1257 · validation 270 · test 270 (stratified, seed 0)\n"
        "one hidden layer of 64 (ReLU) · 4810 parameters · Adam, lr 0.005\n"
        "batches of 64 rows, the last 41\n"
        "each batch's loss is its mean: the sum over its rows / the rows that count\n"
        " stopped: no better validation loss for 10 epochs; epoch "
    )
    assert found.stdout.endswith(
        " divided by     64 rows (19 batches) and 41 rows (1 batch) an epoch: in the last\n"
        "                batch a row weighs 1.56 times as much as elsewhere.\n"
        "                --denominator 64 weighs all rows alike.\n"
        "\n"
        " runs/digits-1/   report.html   model.safetensors   metrics.jsonl\n"
        " open           runs/digits-1/report.html\n"
        " again          xent train digits\n"
        " use it         xent predict runs/digits-1 new.csv\n"
    )
    assert re.fullmatch(
        r"( epoch \d+/300 loss \d+\.\d{3} val \d\.\d{3} acc \d\.\d{3} \d+k? rows/s ≤ \d+:\d\d left\n)+", found.stderr
    )
    assert max(map(len, (found.stdout + found.stderr).splitlines())) <= 80
    assert "\x1b" not in found.stdout + found.stderr
    assert sorted(p.name for p in (tmp_path / "runs" / "digits-1").iterdir()) == [
        "checkpoint.safetensors",
        "metrics.jsonl",
        "model.json",
        "model.safetensors",
        "report.html",
        "run.json",
    ]


def test_json_is_the_record_of_the_run_and_nothing_else(tmp_path):
    found = xent_command("train", "iris", "--epochs", 3, "--json", cwd=tmp_path)
    run = Run.from_dict(json.loads(found.stdout))

    assert found.stdout.count("\n") == 1
    assert found.stderr.startswith("iris: 150 rows, 4 features, 3 classes\n")
    assert run == Run.from_dict(json.loads(text_of(tmp_path / "runs/iris-1/run.json")))
    assert run.command == "xent train iris --epochs 3"


def test_the_command_that_it_names_gives_the_same_run(here, capsys):
    main(["train", "iris", "--epochs", "3", "--lr", "0.01", "--seed", "4", "--json"])
    one = Run.from_dict(json.loads(capsys.readouterr().out))
    main([*one.command.split()[1:], "--json"])
    two = Run.from_dict(json.loads(capsys.readouterr().out))

    assert (one.test, one.divided, one.settings) == (two.test, two.divided, two.settings)
    assert (here / "runs/iris-1/model.safetensors").read_bytes() == (
        here / "runs/iris-2/model.safetensors"
    ).read_bytes()


def test_on_a_terminal_one_line_is_redrawn_and_never_wider_than_it(tmp_path):
    status, written = on_terminal("train", "digits", "--lr", "0.0005", cwd=tmp_path)

    assert status == 0
    assert b"\r" in written
    assert re.search("━+".encode(), written)
    drawn = CURSOR.sub(b"", written).decode()
    lines = [line for piece in drawn.splitlines() for line in piece.split("\r")]
    assert max(map(len, lines)) <= 80
    progress = [line for line in lines if line.startswith(" epoch")]
    assert any(
        re.search(r"loss \d\.\d{3} val \d\.\d{3} acc \d\.\d{3} \d+k? rows/s ≤ \d+:\d\d left", line) for line in progress
    )
    assert not any("…" in line for line in progress)


@pytest.mark.parametrize(("variable", "value"), [("TERM", "dumb"), ("NO_COLOR", "1")])
def test_a_dumb_terminal_gets_plain_lines_and_no_color_none(tmp_path, variable, value):
    _, written = on_terminal("train", "iris", "--epochs", 5, cwd=tmp_path, **{variable: value})
    colours = re.findall(rb"\x1b\[[0-9;]*[0-9]m", written)

    if variable == "TERM":
        assert b"\x1b" not in written
        assert b" epoch 1/5 loss" in written
    else:
        assert [c for c in colours if re.search(rb"\b(3[0-8]|4[0-8]|9[0-7])\b", c)] == []


def test_a_terminal_that_is_no_utf8_gets_ascii(tmp_path):
    _, written = on_terminal("train", "iris", "--epochs", 200, "--lr", "0.0001", cwd=tmp_path, PYTHONIOENCODING="cp932")

    assert written.decode("cp932")
    assert "━".encode() not in written
    assert b"train 106 - validation 22 - test 22" in written


def test_ctrl_c_prints_the_command_that_goes_on_and_that_ends_in_the_same_weights(tmp_path):
    options = ["train", "digits", "--lr", "0.0003", "--epochs", 150, "--patience", 150]
    status, written = on_terminal(*options, "--out", "stopped run", cwd=tmp_path, interrupt_after=b" val ")
    said = re.search(r"stopped after epoch (\d+); go on with   (xent train --resume 'stopped run')", written.decode())

    assert status == 130
    assert said is not None
    assert b"Traceback" not in written
    assert 1 <= int(said[1]) < 150
    assert "model.safetensors" not in [p.name for p in (tmp_path / "stopped run").iterdir()]
    resumed = xent_command("train", "--resume", "stopped run", cwd=tmp_path)
    whole = xent_command(*options, "--out", "whole", cwd=tmp_path)
    assert (resumed.returncode, whole.returncode) == (0, 0)
    model = "model.safetensors"
    assert (tmp_path / "stopped run" / model).read_bytes() == (tmp_path / "whole" / model).read_bytes()


def test_ctrl_c_before_the_first_epoch_has_nothing_to_go_on_with(here, capsys, monkeypatch):
    from xent.train import session

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "start", interrupted)

    assert main(["train", "iris"]) == 130
    assert capsys.readouterr().err == "\nxent: stopped.\n"
    assert not (here / "runs").exists()


@pytest.mark.parametrize("folder", ["with space", "漢字 é", "it's"])
def test_paths_with_anything_in_them_work_and_are_quoted(here, capsys, folder):
    place = here / folder
    place.mkdir()
    write_csv(place / "my flowers.csv", flowers())
    status = main(
        ["train", f"{folder}/my flowers.csv", "--target", "species", "--epochs", "2", "--out", f"{folder}/run"]
    )
    out = capsys.readouterr().out

    assert status == 0
    quoted = "'it'\"'\"'s/my flowers.csv'" if folder == "it's" else f"'{folder}/my flowers.csv'"
    assert f" again          xent train {quoted} --target species --epochs 2\n" in out
    assert (place / "run" / "report.html").exists()


def test_remarks_on_the_data_are_in_the_first_lines(here, capsys):
    columns = flowers()
    columns["petal"][::9] = [None] * 10
    columns["species"][0] = "rex"
    write_csv(here / "f.csv", {"id": list(range(90)), **columns})
    main(["train", "f.csv", "--target", "species", "--epochs", "1"])
    out = capsys.readouterr().out

    assert out.splitlines()[5:8] == [
        '  class "rex" has 1 row: it stays in training; 2 or more are needed to test it',
        "  left out: id has another whole number in every row: it identifies rows",
        out.splitlines()[7],
    ]
    assert re.fullmatch(
        r"  petal is empty in 10 rows: median \S+ put there, and a column that says so", out.splitlines()[7]
    )


def test_hostile_names_reach_neither_terminal_nor_page_as_they_are(tmp_path):
    columns = flowers()
    names = {"setosa": "<script>alert(1)</script>", "versicolor": "a\x1b[31mred", "virginica": 'x", \u202ey'}
    columns["species"] = [names[name] for name in columns["species"]]
    write_csv(tmp_path / "f.csv", {"pe\x1b[1mtal</td>": columns.pop("petal"), **columns})
    found = xent_command("train", "f.csv", "--target", "species", "--epochs", 3, cwd=tmp_path)
    page = text_of(tmp_path / "runs/f-1/report.html")

    assert found.returncode == 0
    assert not {"\x1b", "\u202e"} & set(found.stdout + found.stderr)
    assert "<script" not in page
    assert not {"\x1b", "\u202e"} & set(page)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "f.csv is empty: 0 bytes."),
        ("a,species\n", "f.csv has a header and no rows."),
        (
            "a,species\n1,x\n2,x\n",
            "f.csv: species has one value only, 'x' in 2 rows: there is nothing to tell\n  apart.",
        ),
        (
            "a,species\n1,x\n2,y\n",
            (
                "2 rows of 2 classes are too few: beside one of each class for training,\n"
                "  15% of all are needed for validation, as many for the test."
            ),
        ),
        (
            "a,species\n" + "inf,x\n1,y\n" * 20,
            ("f.csv: column a: row 1 holds 'inf': a number must be finite, and within\n  ±1e+150."),
        ),
        ("a,species\n1,x\n2\n", "f.csv: line 3 has 1 cells, the header has 2."),
    ],
)
def test_bad_data_is_one_message_status_1_and_leaves_nothing_behind(here, capsys, content, message):
    (here / "f.csv").write_text(content)
    status = main(["train", "f.csv", "--target", "species"])
    captured = capsys.readouterr()

    assert (status, captured.out) == (1, "")
    assert captured.err == f"xent: {message}\n"
    assert [p.name for p in here.iterdir()] == ["f.csv"]


def test_nan_features_are_filled_and_said(here, capsys):
    columns = flowers()
    columns["petal"][::5] = ["NaN"] * 18
    write_csv(here / "f.csv", columns)

    assert main(["train", "f.csv", "--target", "species", "--epochs", "1"]) == 0
    assert "petal is empty in 18 rows: median" in capsys.readouterr().out


def test_a_learning_rate_that_is_too_high_is_one_message_and_the_run_can_be_seen(here, capsys):
    status = main(["train", "iris", "--optimizer", "sgd", "--lr", "1e300"])

    assert status == 1
    assert capsys.readouterr().err == (
        "xent: the loss is no finite number any more: epoch 1, step 2, SGD, lr 1e+300.\n"
        "  Steps were too long. Try a smaller --lr.\n"
    )
    assert [p.name for p in (here / "runs/iris-1").iterdir()] == ["model.json"]


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_trained(here, capsys):
    (here / "runs").write_text("a file")
    status = main(["train", "iris"])

    assert status == 1
    assert capsys.readouterr().err == (
        "xent: runs cannot be made: File exists. Give a folder that can be written: --out\n  DIR.\n"
    )


def test_a_folder_that_is_there_is_wrong_usage(here, capsys):
    (here / "x").mkdir()
    (here / "x" / "mine.txt").write_text("")

    assert main(["train", "iris", "--out", "x"]) == 2
    assert capsys.readouterr().err == "xent: x is there already: give another --out, or go on with --resume x.\n"


@pytest.mark.parametrize(
    ("options", "rule", "by"),
    [
        (["--reduction", "sum"], "is the sum over its rows, and is not divided", "nothing: the gradient grows with"),
        (["--denominator", "64"], "is the sum over its rows / 64, whatever the batch holds", "64 in all 2 batches"),
        (["--denominator", "batch"], "its mean: the sum over its rows / all its rows", "64 rows (1 batch) and 42 rows"),
        (["--class-weight", "balanced"], "the class weights of the rows that count", "weight (1 batch)"),
    ],
    ids=str,
)
def test_it_says_what_this_run_divided_by(here, capsys, options, rule, by):
    assert main(["train", "iris", "--epochs", "1", *options]) == 0
    out = " ".join(capsys.readouterr().out.split())

    assert rule in out
    assert by in out


def test_every_option_trains_to_something_better_than_chance(here, capsys):
    options = "--hidden 16,8 --optimizer momentum --lr 0.05 --batch-size 20 --epochs 40 --label-smoothing 0.05 "
    options += "--class-weight balanced --micro-batches 3 --seed 2 --json"
    main(["train", "wine", *options.split()])
    run = Run.from_dict(json.loads(capsys.readouterr().out))

    assert run.test.accuracy > 0.8 > run.test.baseline_accuracy
    assert run.settings["micro_batches"] == run.divided.micro_batches == 3
    assert run.model == "hidden layers of 16 and 8 (ReLU)"


def test_many_seeds_are_one_table_or_one_object(tmp_path):
    told = xent_command("train", "iris", "--epochs", 2, "--repeat", 3, "--json", cwd=tmp_path)
    found = Repeated.from_dict(json.loads(told.stdout))

    assert told.returncode == 0
    assert told.stderr.count("median test accuracy so far") == 3
    assert found.median == np.median(found.accuracies)
    assert not (tmp_path / "runs").exists()
    assert show.repeated(found) == (
        "iris: 150 rows, 4 features, 3 classes: 3 seeds, 0 to 2\n"
        f" test accuracy  median {found.median:.4f}   lowest {found.lowest:.4f}   highest {found.highest:.4f}\n"
        f" test loss      median {found.median_loss:.4f}\n"
        " epochs         median 2\n"
        f" each seed      {' '.join(f'{accuracy:.3f}' for accuracy in found.accuracies)}\n"
        " again          xent train iris --epochs 2 --repeat 3"
    )
