"""compare(): every trap of the book's layers, what volume 1, volume 2 and ours make of it, and how it is printed."""

import json
import math

import numpy as np
import pytest

import xent
from xent import book
from xent._book import textbook, traps

NAN, INF = math.nan, math.inf
# What the books' own files give for these inputs, measured with them (Python 3.11, NumPy 2.4); None: no such layer.
MEASURED = [
    (1, -0.111586, "AxisError"),
    (2, "IndexError", "IndexError"),
    (2, "IndexError", "IndexError"),
    (2, "AttributeError", "AttributeError"),
    (3, 0.407606, 0.407606),
    (3, -0.0173795, -0.16738),
    (4, 2.81521, 2.81521),
    (5, 1.40761, 1.40761),
    (6, "IndexError", "IndexError"),
    (6, "IndexError", "IndexError"),
    (6, "AttributeError", "AttributeError"),
    (7, -1e-7, -1e-7),
    (8, 16.1181, 16.1181),
    (9, 0.52949, 0.52949),
    (10, "IndexError", "IndexError"),
    (10, 12.6684, -5.37528),
    (11, "AxisError", "AxisError"),
    (11, "AxisError", "AxisError"),
    (12, NAN, NAN),
    (13, None, NAN),
    (14, None, NAN),
    (14, None, NAN),
    (14, None, NAN),
    (14, None, "IndexError"),
    (15, None, INF),
    (16, None, -0.58369),
]


@pytest.fixture(scope="module")
def table():
    return book.compare(quiet=True)


def close(came, measured):
    if isinstance(measured, str) or isinstance(came, str):
        return came == measured
    return math.isclose(came, measured, rel_tol=5e-5) or (math.isnan(came) and math.isnan(measured))


def test_ours_is_right_in_every_row(table):
    assert [f"{row.trap} {row.results}" for row in table.rows if not row.good("xent")] == []


def test_every_trap_is_there_and_the_book_falls_into_it(table):
    assert sorted({row.trap.number for row in table.rows}) == list(range(1, 17))
    fallen = {row.trap.number for row in table.rows if not (row.good("volume 1") and row.good("volume 2"))}
    assert fallen == set(range(1, 17)) - {12}  # an infinite logit is NaN for everybody


def test_the_books_side_is_what_the_books_files_give(table):
    assert len(table.rows) == len(MEASURED)
    for row, (number, first, second) in zip(table.rows, MEASURED, strict=True):
        assert row.trap.number == number
        assert close(row.results["volume 1"], "-" if first is None else first), row.trap
        assert close(row.results["volume 2"], second), row.trap


@pytest.mark.parametrize(
    "number",
    sorted({trap.number for trap in traps.TRAPS} - {12}),
)
def test_a_row_can_fail(number):
    wrong = traps.compare({"book": (textbook.Volume2, textbook.Time)})
    assert not all(row.good("book") for row in wrong.rows if row.trap.number == number)


def test_the_formulas_are_those_of_nets_written_apart(volume):
    """Two people's reading of the same book: the test's own volumes give the same bits."""
    x, t = np.random.default_rng(2).normal(size=(20, 5)), np.arange(20) % 5
    for name, ours in [("volume1", textbook.Volume1), ("volume2", textbook.Volume2)]:
        theirs = volume(name).load("common.layers").SoftmaxWithLoss()
        for targets in (t, np.eye(5, dtype=int)[t]):
            mine = ours()
            assert mine.forward(x, targets) == theirs.forward(x, targets)
            np.testing.assert_array_equal(mine.backward(1), theirs.backward(1))
    theirs, mine = volume("volume2").load("common.time_layers").TimeSoftmaxWithLoss(), textbook.Time()
    xs, ts = x.reshape(4, 5, 5), np.where(t == 3, -1, t).reshape(4, 5)
    assert mine.forward(xs, ts) == theirs.forward(xs, ts)
    np.testing.assert_array_equal(mine.backward(), theirs.backward())


def test_it_prints_ascii_in_80_columns(table, capsys):
    book.compare()
    printed = capsys.readouterr().out

    assert printed == f"{table}\n"
    assert printed.isascii()
    assert max(map(len, printed.splitlines())) <= 80
    lines = printed.splitlines()
    assert lines[0].split() == ["input:", "what", "is", "shown", "volume", "1", "volume", "2", "xent"]
    assert lines[1].split()[-3:] == ["-0.111586!", "AxisError!", "-0.334759"]
    assert "!  not the right answer" in lines[-1]
    assert not any(line.endswith("!") for line in lines)  # ours, the last column
    for trap in traps.TRAPS:
        assert len(trap.text) <= 35


def test_quiet_prints_nothing_and_the_rows_are_there_for_json(table, capsys):
    assert repr(book.compare(quiet=True)) == "<Comparison of 26 inputs>"
    assert capsys.readouterr().out == ""
    rows = table.to_dict()
    assert json.loads(json.dumps(rows))[0]["input"] == "x (3,), one-hot t: gradient at t"
    assert set(rows[0]) == {"trap", "input", "right", "volume 1", "volume 2", "xent"}


def test_the_layers_of_compare_are_the_public_ones():
    assert book.SoftmaxWithLoss is xent.SoftmaxWithLoss
