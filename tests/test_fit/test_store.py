"""The folder of a training: what goes in comes out to the bit, and damage of any kind is one message."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import xent
from xent.core.errors import DataError, KindError, ShapeError
from xent.fit import store
from xent.fit.columns import Columns
from xent.fit.files import write_json
from xent.fit.loop import Fit, Objective
from xent.fit.model import Architecture, Model
from xent.fit.optimizers import optimizer
from xent.fit.tokens import Vocabulary
from xent.fit.trained import Preparation

SOURCES = Path(store.__file__).parents[1]
TABLE = pl.DataFrame({"size": [1.0, 2.5, None, 4.0], "count": [3, 1, 4, 1], "colour": ["red", "blue", "red", None]})


def a_preparation() -> Preparation:
    columns = Columns.learn(TABLE, {"size": "number", "count": "number", "colour": "category"})
    return Preparation(columns, None, 0, ("setosa", "x, y", "漢"), "species")


def a_fit(architecture: Architecture) -> Fit:
    model = Model(architecture)
    model.initialise(np.random.default_rng(0))
    model.vector += np.random.default_rng(1).standard_normal(len(model.vector))
    fit = Fit(model, optimizer("adam", len(model.vector), None), Objective(), batch_size=4, micro_batches=1, seed=0)
    fit.epoch = 1
    fit.keep_best(0.5)
    return fit


@pytest.fixture
def folder(tmp_path):
    """A folder with a model of a table."""
    preparation = a_preparation()
    fit = a_fit(Architecture(len(preparation.columns.names), (4,), 3))
    write_json(tmp_path / store.META, store.describe(preparation, fit.model.architecture))
    store.save_model(tmp_path, fit)
    store.save_checkpoint(tmp_path, fit, [{"epoch": 1}], "print")
    return tmp_path


def test_a_loaded_model_has_the_bits_that_were_saved(folder):
    fit = a_fit(Architecture(6, (4,), 3))
    trained = xent.load(folder)

    np.testing.assert_array_equal(trained.model.vector, fit.best)
    assert trained.classes.tolist() == ["setosa", "x, y", "漢"]
    assert trained.preparation == a_preparation()


def test_probabilities_are_those_of_the_loss(folder):
    trained = xent.load(str(folder))
    proba, predicted = trained.predict_proba(TABLE), trained.predict(TABLE)
    logits = trained.logits(TABLE)

    np.testing.assert_allclose(proba.sum(axis=1), 1.0, rtol=1e-15)
    for k in range(3):
        nll = xent.cross_entropy(logits, np.full(4, k), reduction="none")
        np.testing.assert_allclose(-np.log(proba[:, k]), nll, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(predicted, trained.classes[proba.argmax(axis=1)])


class Pandas:
    """What a table of pandas offers."""

    def __init__(self, columns: dict) -> None:
        self._columns = columns

    @property
    def columns(self) -> list:
        return list(self._columns)

    def __getitem__(self, name):
        values = self._columns[name]
        return type("Series", (), {"to_numpy": lambda self: values})()

    def to_numpy(self):
        raise AssertionError("columns have types of their own")


def test_tables_of_every_kind_are_taken(folder):
    trained = xent.load(folder)
    expected = trained.predict_proba(TABLE)
    as_dict = {
        "count": [3, 1, 4, 1],
        "size": [1.0, 2.5, None, 4.0],
        "colour": ["red", "blue", "red", None],
        "z": [0] * 4,
    }
    as_pandas = Pandas(
        {
            "size": np.array([1.0, 2.5, np.nan, 4.0]),
            "count": np.array([3, 1, 4, 1]),
            "colour": np.array(["red", "blue", "red", None], dtype=object),
        }
    )
    as_text = TABLE.with_columns(pl.all().cast(pl.String))

    for rows in (as_dict, as_pandas, as_text):
        np.testing.assert_array_equal(trained.predict_proba(rows), expected)


def test_a_row_has_the_same_bits_alone_and_among_others(folder):
    trained = xent.load(folder)
    many = pl.concat([TABLE] * 100)
    whole = trained.predict_proba(many)

    for i in range(4):
        np.testing.assert_array_equal(trained.predict_proba(TABLE[i : i + 1])[0], whole[i])
        np.testing.assert_array_equal(whole[i::4], np.tile(whole[i], (100, 1)))


def test_a_new_process_gives_the_same_bits(folder):
    program = (
        "import sys, xent\n"
        "rows = {'size': [1.0, 2.5, None, 4.0], 'count': [3, 1, 4, 1], 'colour': ['red', 'blue', 'red', None]}\n"
        "sys.stdout.write(xent.load(sys.argv[1]).predict_proba(rows).tobytes().hex())"
    )
    found = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)

    assert found.stdout == xent.load(folder).predict_proba(TABLE).tobytes().hex()


def test_an_array_is_taken_where_all_columns_are_numbers(tmp_path):
    columns = Columns.learn(TABLE, {"count": "number", "size": "number"})
    fit = a_fit(Architecture(3, (), 2))
    write_json(
        tmp_path / store.META, store.describe(Preparation(columns, None, 0, (3, 7), "y"), fit.model.architecture)
    )
    store.save_model(tmp_path, fit)
    trained = xent.load(tmp_path)
    array = np.array([[3, 1.0], [1, 2.5], [4, np.nan], [1, 4.0]])

    np.testing.assert_array_equal(trained.predict_proba(array), trained.predict_proba(TABLE))
    assert trained.predict(array).dtype.kind == "i"
    with pytest.raises(ShapeError) as shape:
        trained.predict(array[:, :1])
    with pytest.raises(KindError) as kind:
        trained.predict(array.astype(str))
    assert str(shape.value) == "rows has shape (4, 1): this model takes (N, 2), columns count, size."
    assert str(kind.value) == "rows has dtype <U32: an array must hold numbers; for words pass a table."


def test_a_model_of_text_continues_texts(tmp_path):
    vocabulary = Vocabulary.learn([["if", "x", ":"]], 5)
    fit = a_fit(Architecture(2, (3,), 5, vocabulary=6, embedding=4))
    write_json(
        tmp_path / store.META,
        store.describe(Preparation(None, vocabulary, 2, vocabulary.tokens), fit.model.architecture),
    )
    store.save_model(tmp_path, fit)
    trained = xent.load(tmp_path)
    inputs = np.array([[0, 0], [0, 4], [4, 1], [5, 3]])  # classes: if = 3, x = 4, : = 2

    np.testing.assert_array_equal(trained.logits(["", "IF", "then if y", "x:"]), trained.model.predict_logits(inputs))
    for rows in ("if", [1.0], TABLE):
        with pytest.raises(KindError, match=r"^this model continues texts: rows must be a list of strings\.$"):
            trained.predict(rows)


def test_a_checkpoint_gives_back_the_state(folder):
    fit, fresh = a_fit(Architecture(6, (4,), 3)), a_fit(Architecture(6, (4,), 3))
    fresh.model.vector[:], fresh.best[:], fresh.epoch, fresh.best_loss = 0, 0, 0, np.inf

    assert store.resume_checkpoint(folder, fresh, "print") == [{"epoch": 1}]
    assert (fresh.epoch, fresh.best_epoch, fresh.best_loss) == (1, 1, 0.5)
    for name, array in fit.arrays().items():
        np.testing.assert_array_equal(fresh.arrays()[name], array)


def test_the_same_state_is_the_same_file_to_the_byte(folder):
    before = {name: (folder / name).read_bytes() for name in (store.MODEL, store.CHECKPOINT)}
    fit = a_fit(Architecture(6, (4,), 3))
    store.save_model(folder, fit)
    store.save_checkpoint(folder, fit, [{"epoch": 1}], "print")

    assert {name: (folder / name).read_bytes() for name in before} == before


# ----------------------------------------------------------------------------------------------------------- damage


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        xent.load(folder)
    return str(error.value)


def test_a_folder_that_is_none_is_refused(tmp_path, folder):
    assert refused(folder / "no") == f"there is no folder {folder / 'no'}: give one that `xent train` wrote."
    assert (
        refused(folder / store.META) == f"there is no folder {folder / store.META}: give one that `xent train` wrote."
    )
    (folder / store.META).unlink()
    assert refused(folder) == f"{folder} holds no training: model.json is not there."


def test_an_unfinished_training_says_how_to_go_on(folder):
    (folder / store.MODEL).unlink()

    assert refused(folder) == (
        f"{folder} has no finished model: its training stopped before the end.\n"
        f"  Go on with   xent train --resume {folder}"
    )


def test_another_format_is_refused(folder):
    write_json(folder / store.META, {**json.loads((folder / store.META).read_text()), "format": 9})

    assert refused(folder) == f"{folder / store.META} has format 9; this version of xent reads format 1."


@pytest.mark.parametrize("name", [store.MODEL, store.META])
def test_a_file_cut_anywhere_is_refused(folder, name):
    whole = (folder / name).read_bytes()
    for size in sorted({0, 1, 7, 8, 9, 40, len(whole) // 2, len(whole) - 2}):
        (folder / name).write_bytes(whole[:size])
        assert name in refused(folder)


def test_a_file_much_larger_than_its_model_is_refused_unread(folder):
    with (folder / store.MODEL).open("ab") as file:
        file.truncate(2**30)

    assert refused(folder).startswith(f"{folder / store.MODEL} is damaged: it has 1,073,741,824 bytes, and at most ")


def test_any_one_byte_changed_is_a_message_or_another_number(folder):
    """A flipped byte may still be a number; it is never another exception than DataError."""
    whole = bytearray((folder / store.MODEL).read_bytes())
    rng = np.random.default_rng(0)
    outcomes = {"refused": 0, "loaded": 0}
    for place in [*range(0, 400, 3), *rng.integers(0, len(whole), 60).tolist()]:
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        (folder / store.MODEL).write_bytes(changed)
        try:
            xent.load(folder)
            outcomes["loaded"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("key", ["architecture", "columns", "classes", "target"])
def test_a_record_without_a_part_is_damaged(folder, key):
    meta = json.loads((folder / store.META).read_text())
    del meta[key]
    write_json(folder / store.META, meta)

    assert "damaged" in refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"inputs": 6, "hidden": [4], "classes": 9, "vocabulary": 0, "embedding": 0}},
        {"architecture": {"inputs": 6, "hidden": [10**9], "classes": 3, "vocabulary": 0, "embedding": 0}},
        {"architecture": {"inputs": 6, "hidden": "no", "classes": 3, "vocabulary": 0, "embedding": 0}},
        {"architecture": {"inputs": 6, "hidden": [-4], "classes": 3, "vocabulary": 0, "embedding": 0}},
        {"architecture": [1]},
        {"classes": ["a"]},
        {"classes": 3},
        {"columns": 3},
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_are_refused_before_memory_is_taken(folder, change):
    write_json(folder / store.META, {**json.loads((folder / store.META).read_text()), **change})

    assert "damaged" in refused(folder)


def test_a_checkpoint_of_other_data_is_refused(folder):
    with pytest.raises(DataError) as error:
        store.resume_checkpoint(folder, a_fit(Architecture(6, (4,), 3)), "another")

    assert str(error.value) == (
        f"{folder / store.CHECKPOINT} belongs to other rows than there are now:\n"
        "  the data changed, or other versions of the packages split it otherwise.\n"
        "  Train again from the start."
    )


def test_a_checkpoint_of_another_model_is_refused(folder):
    with pytest.raises(DataError, match=r"its arrays are not those of this model and optimiser\.$"):
        store.resume_checkpoint(folder, a_fit(Architecture(6, (5,), 3)), "print")


def unpickles(source: str) -> bool:
    """Whether Python text could load objects."""
    return any(word in source for word in ("import pickle", "joblib.load", "joblib.dump", "allow_pickle=True"))


def test_nothing_of_the_package_unpickles():
    """But for the cache of kernels: that is machine code, which runs, whatever its form; tests/safety is about it."""
    found = [path.name for path in SOURCES.rglob("*.py") if unpickles(path.read_text(encoding="utf-8"))]
    assert found == ["cache.py"]
    assert unpickles("np.load(file, allow_pickle=True)")
