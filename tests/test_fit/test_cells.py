"""Cells: what counts as a number, a date or empty, and the message for what is neither."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from xent.core.errors import DataError
from xent.fit.cells import EMPTY, as_numbers, as_words, try_numbers


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        (" -2.5e-3 ", -0.0025),
        ("+7", 7.0),
        (".5", 0.5),
        ("1e150", 1e150),
        ("0.1", 0.1),
        ("9007199254740993", 9007199254740992.0),
        ("4.9e-324", 5e-324),
        ("0.30000000000000004", 0.30000000000000004),
    ],
)
def test_text_is_read_as_python_reads_it(cell, value):
    assert as_numbers(pl.Series("a", [cell]), "number", "")[0] == value == float(cell)


def test_random_numbers_survive_a_trip_through_text_to_the_bit():
    values = np.random.default_rng(0).standard_normal(3000) * 10.0 ** np.random.default_rng(1).integers(-300, 148, 3000)

    np.testing.assert_array_equal(as_numbers(pl.Series("a", list(map(repr, values.tolist()))), "number", ""), values)


@pytest.mark.parametrize("cell", EMPTY)
def test_marks_of_an_empty_cell_are_empty_in_a_column_of_numbers(cell):
    assert np.isnan(as_numbers(pl.Series("a", ["1", cell]), "number", "")[1])


def test_in_a_column_of_words_only_the_empty_cell_is_empty():
    assert as_words(pl.Series("a", ["NA", "  ", None, "x"])).tolist() == ["NA", "", "", "x"]


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["1", "two"], "number", "f.csv: column a: row 2 holds 'two', which is no number."),
        (["1,5"], "number", "f.csv: column a: row 1 holds '1,5', which is no number."),
        (["1_000"], "number", "f.csv: column a: row 1 holds '1_000', which is no number."),
        (["0x10"], "number", "f.csv: column a: row 1 holds '0x10', which is no number."),
        (["2024-01-01", "soon"], "date", "f.csv: column a: row 2 holds 'soon', which is no date."),
        (["2024-02-30"], "date", "f.csv: column a: row 1 holds '2024-02-30', which is no date."),
        (["1", "inf"], "number", "f.csv: column a: row 2 holds 'inf': a number must be finite, and within ±1e+150."),
        (["-1e999"], "number", "f.csv: column a: row 1 holds '-1e999': a number must be finite, and within ±1e+150."),
    ],
)
def test_what_is_no_number_is_named_with_its_row(cells, kind, message):
    with pytest.raises(DataError) as error:
        as_numbers(pl.Series("a", cells), kind, "f.csv")

    assert str(error.value) == message


def test_an_infinite_number_of_a_typed_column_is_refused():
    with pytest.raises(DataError, match=r"^column a: row 2 holds inf: a number must be finite, and within ±1e\+150\.$"):
        as_numbers(pl.Series("a", [0.0, np.inf]), "number", "")


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("a", [dt.date(1970, 1, 3), None]),
        pl.Series("a", [dt.datetime(1970, 1, 3), None]),  # noqa: DTZ001  # a table without time zones
        pl.Series("a", [dt.datetime(1970, 1, 3, tzinfo=dt.UTC), None]),
        pl.Series("a", [dt.timedelta(days=2), None]),
        pl.Series("a", ["1970-01-03", ""]),
        pl.Series("a", ["1970-01-03T00:00:00", "NA"]),
        pl.Series("a", ["1970-01-03 00:00", None]),
        pl.Series("a", ["1970-01-03 00:00:00.000", None]),
    ],
    ids=str,
)
def test_dates_of_every_form_are_days(column):
    np.testing.assert_array_equal(as_numbers(column, "date", ""), [2.0, np.nan])


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.Decimal(10, 2)])
def test_numbers_of_every_type_are_numbers(dtype):
    assert as_numbers(pl.Series("a", [3, None], dtype=dtype), "number", "")[0] == 3.0


@pytest.mark.parametrize("column", [pl.Series("a", [True]), pl.Series("a", [[1]]), pl.Series("a", ["x"])], ids=str)
def test_what_is_no_column_of_numbers_is_none(column):
    assert try_numbers(column, "number") is None


def test_categories_of_a_typed_column_are_words():
    column = pl.Series("a", ["x", "y"], dtype=pl.Categorical)

    assert as_words(column).tolist() == ["x", "y"]
    assert as_words(pl.Series("a", [True, None])).tolist() == ["true", ""]
