"""`xent predict`: the bits of the training's own test, and a line for whatever a file has too little or too much of."""

import csv
import io
import json

import numpy as np
import pytest

import xent
from tests.test_cli.command import xent_command
from tests.test_train.tables import flowers, write_csv
from xent.cli import main
from xent.train import report, session
from xent.train.options import Options
from xent.train.repeat import Silent
from xent.train.source import read_table


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a small table and a run; the test rows' probabilities as the training process had them."""
    folder = tmp_path_factory.mktemp("predict")
    path = write_csv(folder / "flowers.csv", flowers())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "render", lambda run: run.title)
        going = session.start(Options(str(path), target="species", epochs=5), folder / "run")
        _, scores, why = going.run(Silent())
        session.finish(going, scores, why)
    return folder, going, scores


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def table(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(text))
    return header, rows


def test_a_new_process_gives_the_test_rows_the_bits_that_training_had(trained):
    folder, going, scores = trained
    found = xent_command("predict", "run", "flowers.csv", "--proba", cwd=folder)
    header, rows = table(found.stdout)
    places = [going.prepared.describe(i)[0] for i in range(len(going.prepared.test))]
    told = np.array([[float(p) for p in rows[place - 1][2:]] for place in places])

    model = xent.load(folder / "run")
    logits = going.fit.model.predict_logits(going.prepared.test.inputs)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert header == ["row", "predicted", "setosa", "versicolor", "virginica"]
    assert [int(row[0]) for row in rows] == list(range(1, 91))
    np.testing.assert_array_equal(told, p)
    assert [rows[place - 1][1] for place in places] == model.classes[scores.predicted].tolist()


def test_the_whole_file_and_each_row_alone_give_the_same_bits(here, capsys):
    main(["predict", "run", "flowers.csv", "--proba"])
    whole = table(capsys.readouterr().out)[1]
    frame = read_table("flowers.csv").frame
    for row in (0, 41, 89):
        write_csv(here / "one.csv", frame[row : row + 1].to_dict(as_series=False))
        main(["predict", "run", "one.csv", "--proba"])
        assert table(capsys.readouterr().out)[1][0][1:] == whole[row][1:]


def test_without_proba_it_is_the_class_and_its_probability(here, capsys):
    assert main(["predict", "run", "flowers.csv"]) == 0
    captured = capsys.readouterr()
    header, rows = table(captured.out)
    proba = xent.load("run").predict_proba(read_table("flowers.csv").frame)

    assert header == ["row", "predicted", "probability"]
    assert [float(row[2]) for row in rows] == proba.max(axis=1).tolist()
    assert captured.err.startswith("  species is in the file: accuracy 0.")


def test_json_and_a_file_hold_the_same(here, capsys):
    main(["predict", "run", "flowers.csv", "--proba", "--json"])
    values = json.loads(capsys.readouterr().out)
    main(["predict", "run", "flowers.csv", "--proba", "--out", "p.csv"])
    captured = capsys.readouterr()
    rows = table((here / "p.csv").read_text())[1]

    assert values["classes"] == ["setosa", "versicolor", "virginica"]
    assert values["predicted"] == [row[1] for row in rows]
    assert values["probabilities"] == [[float(p) for p in row[2:]] for row in rows]
    assert captured.out == ""
    assert captured.err.endswith("p.csv: 90 rows\n")


def changed(here, **changes) -> str:
    """A file of four rows with other columns."""
    columns = {name: cells[:4] for name, cells in flowers().items() if name != "species"}
    columns |= changes
    write_csv(here / "new.csv", {name: cells for name, cells in columns.items() if cells is not None})
    return "new.csv"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sepal": None}, "xent: new.csv has no column sepal: the model was trained with 3 columns.\n"),
        ({"petal": ["1", "x", "2", "3"]}, "xent: column petal: row 2 holds 'x', which is no number.\n"),
        (
            {"petal": ["1", "inf", "2", "3"]},
            "xent: column petal: row 2 holds 'inf': a number must be finite, and within\n  ±1e+150.\n",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message(here, capsys, changes, message):
    status = main(["predict", "run", changed(here, **changes)])
    captured = capsys.readouterr()

    assert (status, captured.out, captured.err) == (1, "", message)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"a": [1] * 4}, "  not used, as training did not have or use it: a\n"),
        ({"a": [1] * 4, "b": [2] * 4}, "  not used, as training did not have or use them: a, b\n"),
        (
            {"colour": ["teal", "blue", "", "white"]},
            (
                "  colour has a value that training did not have or keep in 2 rows, first 'teal':\n"
                "    counted as none of the known ones\n"
            ),
        ),
    ],
)
def test_what_training_did_not_see_is_one_line_and_is_predicted(here, capsys, changes, line):
    status = main(["predict", "run", changed(here, **changes)])
    captured = capsys.readouterr()

    assert (status, captured.err) == (0, line)
    assert len(captured.out.splitlines()) == 5


def test_an_empty_number_is_said_with_what_is_put_there(here, capsys):
    main(["predict", "run", changed(here, petal=["1", "", "2", "NA"])])
    median = xent.load("run").preparation.columns.numbers[0].fill

    assert capsys.readouterr().err == (
        f"  petal is empty in 2 rows, in training never: its median {median:g} is put there\n"
    )


def test_a_file_that_cannot_be_written_is_one_message(here, capsys):
    status = main(["predict", "run", "flowers.csv", "--out", "no/p.csv"])

    assert status == 1
    assert capsys.readouterr().err.endswith("xent: no/p.csv cannot be written: No such file or directory.\n")


def test_a_run_that_is_not_over_says_how_to_go_on(here, capsys):
    folder = here / "part"
    session.start(Options(str(here / "flowers.csv"), target="species"), folder)
    status = main(["predict", "part", "flowers.csv"])

    assert status == 1
    assert capsys.readouterr().err == (
        "xent: part has no finished model: its training stopped before the end.\n"
        "  Go on with   xent train --resume part\n"
    )
