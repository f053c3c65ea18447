"""Tables made ready: which column is what, a line for everything unusual, a message for what cannot be used."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tests.test_train.tables import flowers, write_csv
from xent.core.errors import DataError, OptionError
from xent.train.options import Options
from xent.train.table import prepare_table

N = 90


def prepared(tmp_path, columns, **options):
    path = write_csv(tmp_path / "flowers.csv", columns)
    return prepare_table(Options(**{"data": str(path), "target": "species", **options}))


def refused(kind, tmp_path, columns, **options) -> str:
    with pytest.raises(kind) as error:
        prepared(tmp_path, columns, **options)
    return str(error.value)


def test_a_plain_table_needs_no_remark(tmp_path):
    data = prepared(tmp_path, flowers())

    assert data.task == "flowers.csv: 90 rows, 3 features (2 numbers, 1 of words), 3 classes"
    assert data.split == "stratified, seed 0"
    assert data.notes == ()
    assert data.class_names == ("setosa", "versicolor", "virginica")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [62, 14, 14]
    assert data.preparation.columns.names == ("petal", "sepal", "colour=blue", "colour=white")


@pytest.mark.parametrize(
    ("name", "cells", "note"),
    [
        ("id", list(range(1, N + 1)), "left out: id has another whole number in every row: it identifies rows"),
        (
            "customer_id",
            list(range(0, 7 * N, 7)),
            "left out: customer_id has another whole number in every row: it identifies rows",
        ),
        ("ticket", [f"T{i}x" for i in range(N)], None),
        ("none", [None] * N, "left out: none is empty in every row"),
        ("day", [f"2024-01-{1 + i % 28:02d}" for i in range(N)], "day is a date: taken as a number of days"),
        ("same", ["x"] * N, "left out: same is the same in every training row"),
        ("zero", [0] * N, "left out: zero is the same in every training row"),
    ],
)
def test_an_unusual_column_gets_a_line(tmp_path, name, cells, note):
    data = prepared(tmp_path, {name: cells, **flowers()})

    assert data.notes == ((note,) if note else ())
    left_out = note is not None and note.startswith("left out")
    assert (name in data.preparation.columns.features) is not left_out


def test_words_that_identify_rows_are_left_out_and_many_values_are_cut(tmp_path):
    rows = 300
    many = {
        "name": [f"person {i}" for i in range(rows)],
        "city": [f"city {i % 120}" for i in range(rows)],
        **flowers(rows),
    }
    data = prepared(tmp_path, many)

    assert data.notes == (
        "left out: name has 300 different values in 300 rows: it identifies rows",
        "city has 120 different values: the 100 commonest get a column each",
    )
    assert sum(name.startswith("city=") for name in data.preparation.columns.names) == 100


def test_empty_cells_get_the_median_and_a_column(tmp_path):
    columns = flowers()
    columns["petal"][::7] = [None] * 13
    data = prepared(tmp_path, columns)
    median = data.preparation.columns.numbers[0].fill

    assert data.notes == (f"petal is empty in 13 rows: median {median:.6g} put there, and a column that says so",)
    assert "petal is empty" in data.preparation.columns.names
    assert np.isfinite(data.train.inputs).all()


@pytest.mark.parametrize("cell", ["NaN", "nan", "NA", "?"])
def test_nan_features_are_empty_cells(tmp_path, cell):
    columns = flowers()
    columns["petal"][4] = cell
    data = prepared(tmp_path, columns)

    assert data.notes[0].startswith("petal is empty in 1 row: median ")


def test_medians_and_scales_come_from_training_rows_alone(tmp_path):
    columns = flowers()
    first = prepared(tmp_path, columns)
    held = np.concatenate([first.validation.inputs[:, 0], first.test.inputs[:, 0]])
    train = [
        x
        for x in columns["petal"]
        if not np.isclose(
            held, (x - first.preparation.columns.numbers[0].mean) / first.preparation.columns.numbers[0].scale
        ).any()
    ]

    assert first.preparation.columns.numbers[0].mean == pytest.approx(np.mean(train), rel=0.02)
    assert first.train.inputs[:, 0].mean() == pytest.approx(0, abs=1e-12)
    assert first.train.inputs[:, 0].std() == pytest.approx(1, rel=1e-12)
    assert abs(held.mean()) > 1e-6


def test_classes_with_one_row_stay_in_training(tmp_path):
    columns = flowers()
    columns["species"][5] = "rex"
    one = prepared(tmp_path, columns)
    columns["species"][6] = "alba"
    two = prepared(tmp_path, columns)

    assert one.notes == ('class "rex" has 1 row: it stays in training; 2 or more are needed to test it',)
    assert two.notes == (
        '2 classes have 1 row each ("alba", "rex"): they stay in training; 2 or more are needed to test one',
    )
    assert one.counts.tolist()[one.class_names.index("rex")] == 1


def test_rows_without_a_class_are_left_out(tmp_path):
    columns = flowers()
    columns["species"][::9] = [None] * 10
    data = prepared(tmp_path, columns)

    assert data.notes == ("species is empty in 10 rows: left out",)
    assert sum(len(part) for part in (data.train, data.validation, data.test)) == 80


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        ([i % 3 for i in range(N)], (0, 1, 2)),
        ([f"{i % 3}.0" for i in range(N)], (0, 1, 2)),
        ([i % 3 / 2 for i in range(N)], (0.0, 0.5, 1.0)),
        ([("true", "false")[i % 2] for i in range(N)], ("false", "true")),
        ([f" {'ab'[i % 2]} " for i in range(N)], ("a", "b")),
        ([("9", "10", "100")[i % 3] for i in range(N)], (9, 10, 100)),
    ],
)
def test_classes_are_numbers_in_order_or_words_by_name(tmp_path, cells, classes):
    data = prepared(tmp_path, {**flowers(), "species": cells})

    assert data.preparation.classes == classes


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["x"] * N, "flowers.csv: species has one value only, 'x' in 90 rows: there is nothing to tell apart."),
        ([None] * N, "flowers.csv: species has no value in any row: there is nothing to tell apart."),
        (
            [f"c{i}" for i in range(N)],
            "flowers.csv: species has 90 different values in 90 rows: it identifies rows, it is no class.",
        ),
    ],
)
def test_a_class_column_that_says_nothing_is_refused(tmp_path, cells, message):
    assert refused(DataError, tmp_path, {**flowers(), "species": cells}) == message


def test_a_quantity_is_refused_as_a_class_and_many_whole_numbers_get_a_line(tmp_path):
    rows = 600
    quantity = {**flowers(rows), "species": [i % 101 + 0.5 for i in range(rows)]}
    rare = {**flowers(rows), "species": [i % 200 for i in range(rows)]}
    whole = {**flowers(rows), "species": [i % 110 for i in range(rows)]}

    assert refused(DataError, tmp_path, quantity) == (
        "flowers.csv: species has 101 different numbers in 600 rows: that is a quantity, no class.\n"
        "  Cut it into ranges first, and give their names as a column."
    )
    assert "200 different numbers in 600 rows: that is a quantity" in refused(DataError, tmp_path, rare)
    assert prepared(tmp_path, whole).notes == ("species has 110 different whole numbers: each is taken as a class",)


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("petal", "inf", "flowers.csv: column petal: row 5 holds 'inf': a number must be finite, and within ±1e+150."),
        (
            "petal",
            "1e999",
            "flowers.csv: column petal: row 5 holds '1e999': a number must be finite, and within ±1e+150.",
        ),
        (
            "petal",
            "n.a.",
            (
                "flowers.csv: column petal: row 5 holds 'n.a.', and 89 of 90 cells are numbers.\n"
                "  Correct the cell, or leave it empty."
            ),
        ),
        (
            "petal",
            "-1e200",
            "flowers.csv: column petal: row 5 holds '-1e200': a number must be finite, and within ±1e+150.",
        ),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path, name, cell, message):
    columns = flowers()
    columns[name][4] = cell

    assert refused(DataError, tmp_path, columns, seed=1) == message


def test_a_table_without_features_is_refused(tmp_path):
    columns = {"id": list(range(N)), "species": flowers()["species"]}

    assert refused(DataError, tmp_path, columns) == (
        "flowers.csv has no column to learn from beside species.\n"
        "  left out: id has another whole number in every row: it identifies rows"
    )


def test_without_a_target_the_columns_are_listed_with_the_likely_one(tmp_path):
    assert refused(OptionError, tmp_path, flowers(), target=None) == (
        "which column is the class? Say --target COLUMN.\n"
        "  flowers.csv has 4 columns:  petal  sepal  colour  species\n"
        "  Likely: species (text, 3 different values in 90 rows)."
    )
    assert refused(OptionError, tmp_path, flowers(), target="Species") == (
        "flowers.csv has no column Species.\n"
        "  flowers.csv has 4 columns:  petal  sepal  colour  species\n"
        "  Likely: species (text, 3 different values in 90 rows)."
    )


def test_the_likely_column_may_be_one_of_numbers_or_none(tmp_path):
    numbers = {"a": [i / 7 for i in range(N)], "label": [i % 2 for i in range(N)], "b": [i * 1.5 for i in range(N)]}

    assert refused(OptionError, tmp_path, numbers, target=None).endswith(
        "\n  Likely: label (numbers, 2 different values in 90 rows)."
    )
    assert refused(OptionError, tmp_path, {"a": numbers["a"]}, target=None).endswith("has 1 columns:  a")


# ------------------------------------------------------------------------------------------------------- other tests


def test_the_test_rows_may_come_from_a_file(tmp_path):
    late = write_csv(tmp_path / "late.csv", {**flowers(30, seed=4), "extra": [1] * 30})
    data = prepared(tmp_path, flowers(), test=str(late))

    assert data.split == "stratified, seed 0; test rows from late.csv"
    assert data.notes == ("late.csv: not used, as training did not have or use it: extra",)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [76, 14, 30]
    np.testing.assert_array_equal(data.test.targets, np.arange(30) % 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"species": ["rex"] + ["setosa"] * 29},
            "late.csv: row 1 has 'rex' in species, which is no class of the training rows.",
        ),
        (
            {"species": ["setosa", None] * 15},
            "late.csv: row 2 has an empty cell in species, which is no class of the training rows.",
        ),
        ({"petal": ["x"] * 30}, "late.csv: column petal: row 1 holds 'x', which is no number."),
    ],
)
def test_a_test_file_that_does_not_fit_is_refused(tmp_path, change, message):
    late = write_csv(tmp_path / "late.csv", {**flowers(30), **change})

    assert refused(DataError, tmp_path, flowers(), test=str(late)) == message


def test_a_test_file_without_a_needed_column_is_refused(tmp_path):
    columns = flowers(30)
    del columns["sepal"]
    late = write_csv(tmp_path / "late.csv", columns)
    without_class = write_csv(tmp_path / "none.csv", {k: v for k, v in flowers(30).items() if k != "species"})

    assert refused(DataError, tmp_path, flowers(), test=str(late)) == (
        "late.csv has no column sepal: the model was trained with 3 columns."
    )
    assert refused(DataError, tmp_path, flowers(), test=str(without_class)) == (
        "none.csv has no column species: the class of its rows is needed."
    )


def test_numbers_as_classes_are_found_in_a_test_file_however_they_are_written(tmp_path):
    late = write_csv(tmp_path / "late.csv", {**flowers(30), "species": [f"{i % 3}.0" for i in range(30)]})
    data = prepared(tmp_path, {**flowers(), "species": [i % 3 for i in range(N)]}, test=str(late))

    np.testing.assert_array_equal(data.test.targets, np.arange(30) % 3)


def test_a_file_with_test_rows_of_its_own_keeps_them(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "p.npz",
        x_train=rng.integers(0, 255, (80, 4, 4), dtype=np.uint8),
        y_train=np.arange(80) % 2,
        x_test=rng.integers(0, 255, (20, 4, 4), dtype=np.uint8),
        y_test=np.arange(20) % 2,
    )
    data = prepare_table(Options(data=str(tmp_path / "p.npz")))

    assert data.split == "stratified, seed 0; test rows are the file's own"
    assert [len(part) for part in (data.train, data.validation, data.test)] == [68, 12, 20]
    place, words, picture = data.describe(3)
    assert (place, words) == (84, "")
    assert np.shape(picture) == (4, 4)
    assert 0 <= np.min(picture) < np.max(picture) <= 1


def test_a_typed_table_is_taken_column_by_column(tmp_path):
    rows = 60
    frame = pl.DataFrame(
        {
            "when": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(rows)],
            "flag": [i % 2 == 0 for i in range(rows)],
            "kind": pl.Series(["a", "b", "c"] * 20, dtype=pl.Categorical),
            "list": [[i] for i in range(rows)],
            "blob": [b"x"] * rows,
            "clock": [dt.time(i % 24) for i in range(rows)],
            "small": pl.Series([i % 5 for i in range(rows)], dtype=pl.Int8),
            "y": [i % 2 == 0 for i in range(rows)],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    data = prepare_table(Options(data=str(tmp_path / "t.parquet"), target="y"))

    assert data.notes == (
        "when is a date: taken as a number of days",
        "left out: list holds list values, which are not used",
        "left out: blob holds binary values, which are not used",
        "left out: clock holds time values, which are not used",
    )
    assert data.preparation.classes == ("false", "true")
    assert data.preparation.columns.names == ("when", "small", "flag=false", "flag=true", "kind=a", "kind=b", "kind=c")


def test_the_fingerprint_changes_with_data_split_and_target(tmp_path):
    columns = flowers()
    one = prepared(tmp_path, columns).fingerprint

    assert prepared(tmp_path, columns).fingerprint == one
    assert prepared(tmp_path, columns, seed=1).fingerprint != one
    assert prepared(tmp_path, columns, target="colour").fingerprint != one
    columns["petal"][0] += 0.001
    assert prepared(tmp_path, columns).fingerprint != one


def test_a_row_is_described_by_its_cells(tmp_path):
    data = prepared(tmp_path, flowers())
    place, words, picture = data.describe(0)
    cells = {name: cells[place - 1] for name, cells in flowers().items()}

    assert words == f"petal {cells['petal']}, sepal {cells['sepal']}, colour {cells['colour']}"
    assert picture is None
