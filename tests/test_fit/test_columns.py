"""Columns: the record gives scikit-learn's own numbers to the bit, and says a line for what training did not see."""

import json

import numpy as np
import polars as pl
import pytest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from xent.core.errors import DataError
from xent.fit.columns import MOST_VALUES, Columns

KINDS = {"size": "number", "weight": "number", "day": "date", "colour": "category", "shape": "category"}


def a_table(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    size = rng.standard_normal(rows) * 1e3 + 7
    size[rng.random(rows) < 0.1] = np.nan
    return pl.DataFrame(
        {
            "size": [None if np.isnan(x) else x for x in size],
            "weight": rng.integers(0, 50, rows),
            "day": pl.Series(rng.integers(0, 20_000, rows)).cast(pl.Date),
            "colour": rng.choice(["red", "green", "blue"], rows),
            "shape": [None if x < 0.1 else "round" if x < 0.6 else "long" for x in rng.random(rows)],
        }
    )


def test_the_record_gives_what_scikit_learn_gives_to_the_bit():
    table = a_table()
    train, rest = table[:150], table[150:]
    numbers = table.select("size", "weight", pl.col("day").to_physical()).cast(pl.Float64).to_numpy()
    numbers = np.ascontiguousarray(numbers)  # the order of a sum, and so its last bit, follows the layout
    words = table.select(pl.col("colour", "shape").fill_null("")).to_numpy()
    parts = [
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (MissingIndicator(), numbers),
        (OneHotEncoder(sparse_output=False), words),
    ]
    theirs = [part.fit(cells[:150]).transform(cells) for part, cells in parts]
    expected = np.concatenate([np.asarray(block, dtype=float) for block in theirs], axis=1)

    ours = Columns.learn(train, KINDS)
    again = Columns.from_dict(json.loads(json.dumps(ours.to_dict())))

    assert again == ours
    np.testing.assert_array_equal(again.transform(rest), expected[150:])
    np.testing.assert_array_equal(ours.transform(train), expected[:150])


def test_a_changed_mean_would_be_seen():
    record = Columns.learn(a_table(), KINDS).to_dict()
    record["numbers"][0]["mean"] *= 1 + 1e-15

    assert not np.array_equal(
        Columns.from_dict(record).transform(a_table()), Columns.learn(a_table(), KINDS).transform(a_table())
    )


def test_text_cells_and_typed_cells_give_the_same_bits():
    table = a_table().with_columns(pl.col("day").cast(pl.String))
    text = table.with_columns(pl.all().cast(pl.String))

    np.testing.assert_array_equal(
        Columns.learn(table, KINDS).transform(table), Columns.learn(text, KINDS).transform(text)
    )


def test_the_names_say_what_each_input_is():
    assert Columns.learn(a_table(), KINDS).names == (
        "size", "weight", "day", "size is empty",
        "colour=blue", "colour=green", "colour=red", "shape=(empty)", "shape=long", "shape=round",
    )  # fmt: skip


def test_a_constant_column_becomes_0_and_not_nan():
    table = pl.DataFrame({"a": [3.0, 3.0, 3.0]})

    assert Columns.learn(table, {"a": "number"}).transform(table).tolist() == [[0.0]] * 3


def test_one_scale_keeps_the_proportions_of_grey_levels():
    table = pl.DataFrame({"a": [0.0, 16.0], "b": [0.0, 1.0]})
    a, b = Columns.learn(table, {"a": "number", "b": "number"}, one_scale=True).numbers

    assert a.scale == b.scale == pytest.approx(np.std([-8.0, 8.0, -0.5, 0.5, 0.0, 0.0][:4]), rel=0.2)


def test_only_the_commonest_values_get_a_column():
    cells = [f"v{i:03d}" for i in range(MOST_VALUES + 20) for _ in range(1 + (i >= 20))]
    values = Columns.learn(pl.DataFrame({"a": cells}), {"a": "category"}).categories[0].values

    assert values == tuple(f"v{i:03d}" for i in range(20, MOST_VALUES + 20))


def test_what_training_did_not_see_gets_a_line_each():
    columns = Columns.learn(a_table(), KINDS)
    other = a_table(4, seed=5).with_columns(
        pl.Series("weight", [1, None, None, 4]), pl.Series("colour", ["red", "teal", "mauve", ""]), extra=1, more=2
    )

    assert columns.remarks(other) == [
        "not used, as training did not have or use them: extra, more",
        f"weight is empty in 2 rows, in training never: its median {columns.numbers[1].fill:g} is put there",
        (
            "colour has a value that training did not have or keep in 3 rows, first 'teal': "
            "counted as none of the known ones"
        ),
    ]
    assert columns.transform(other)[1, 4:7].tolist() == [0.0, 0.0, 0.0]
    assert (
        columns.transform(other)[1, 1] == (columns.numbers[1].fill - columns.numbers[1].mean) / columns.numbers[1].scale
    )


def test_a_missing_column_is_named():
    columns = Columns.learn(a_table(), KINDS)
    with pytest.raises(DataError) as one:
        columns.transform(a_table().drop("colour"), "new.csv")
    with pytest.raises(DataError) as many:
        Columns.learn(
            pl.DataFrame({f"c{i}": [0.0, 1.0] for i in range(9)}), {f"c{i}": "number" for i in range(9)}
        ).transform(a_table())

    assert str(one.value) == "new.csv has no column colour: the model was trained with 5 columns."
    assert str(many.value) == (
        "the table has no column c0, c1, c2, c3, c4 and 4 more: the model was trained with 9 columns."
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("numbers"),
        lambda record: record["numbers"][0].pop("mean"),
        lambda record: record["numbers"][0].update(scale=0.0),
        lambda record: record["numbers"][0].update(fill=float("nan")),
        lambda record: record["categories"][0].pop("values"),
    ],
    ids=["no numbers", "no mean", "scale 0", "fill NaN", "no values"],
)
def test_a_damaged_record_is_refused(damage):
    record = Columns.learn(a_table(), KINDS).to_dict()
    damage(record)
    with pytest.raises(DataError, match=r"^the record of the columns is damaged: "):
        Columns.from_dict(record)
