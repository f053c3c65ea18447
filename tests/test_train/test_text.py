"""The text task: real text, split by paragraph, with no paragraph in two places."""

import sys

import numpy as np
import pytest

from xent.core.errors import DataError, OptionError
from xent.fit.examples import IGNORED
from xent.train.options import Options
from xent.train.text import CLASSES, CONTEXT, LONGEST, prepare_text, reference_text


@pytest.fixture(scope="module")
def data():
    return prepare_text(Options("text").resolved("text"))


def test_the_text_is_there_and_large_enough():
    paragraphs = reference_text()

    assert len(paragraphs) > 1500
    assert len(set(paragraphs)) == len(paragraphs)
    assert all(paragraphs)


def test_the_vocabulary_has_over_2000_classes_from_training_text(data):
    assert len(data.class_names) == CLASSES >= 2000
    assert data.counts.sum() == data.train.size > 50_000
    assert data.counts.min() > 0


def test_paragraphs_are_of_very_unequal_length_and_padded(data):
    _, targets = data.train.take(np.arange(32))
    lengths = [len(t) for t in data.train.targets]

    assert max(lengths) == LONGEST
    assert min(lengths) < 5
    assert (targets == IGNORED).mean() > 0.1


def shared(data, length: int) -> float:
    """Share of the test tokens that lie in a stretch of `length` tokens that training has too."""
    trained = {t[i : i + length].tobytes() for t in data.train.targets for i in range(len(t) - length + 1)}
    found = 0
    for t in data.test.targets:
        inside = np.zeros(len(t), dtype=bool)
        for i in range(len(t) - length + 1):
            if t[i : i + length].tobytes() in trained:
                inside[i : i + length] = True
        found += int(inside.sum())
    return found / data.test.size


def test_hardly_any_stretch_of_the_test_is_in_training(data):
    assert shared(data, 40) < 0.02  # 27 % with every paragraph that differs in a mark: the loss was then 3.2, not 4.5
    assert shared(data, 3) > 0.1  # the measure sees what is shared


def test_a_test_token_is_described_by_what_stands_before_it(data):
    texts = reference_text()
    targets = data.test.flat()[1]
    for row in (0, 1, 57, 4000, len(targets) - 1):
        place, words, picture = data.describe(row)
        name = data.class_names[targets[row]]
        text = texts[place - 1]
        assert picture is None
        if name.isalpha() and words:
            assert name in text
            assert words.split()[-1] in text


def test_inputs_are_the_tokens_before(data):
    inputs, targets = data.test.flat()

    assert inputs.shape == (len(targets), CONTEXT)
    inside = np.flatnonzero(inputs[:, -1] > 0)
    np.testing.assert_array_equal(inputs[inside, -1], targets[inside - 1] + 1)


def test_the_seed_decides_the_split(data):
    assert prepare_text(Options("text").resolved("text")).fingerprint == data.fingerprint
    assert prepare_text(Options("text", seed=1).resolved("text")).fingerprint != data.fingerprint


def test_a_python_without_the_text_gets_one_message(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError) as error:
        reference_text()

    assert str(error.value) == (
        "this Python came without pydoc_data, the text of its language reference.\n"
        "  Use a Python with its standard library whole, or other data: xent train digits"
    )


@pytest.mark.parametrize("options", [{"target": "x"}, {"test": "x.csv"}])
def test_options_of_tables_are_refused(options):
    name = f"--{next(iter(options))}"
    with pytest.raises(OptionError) as error:
        prepare_text(Options("text", **options))

    assert str(error.value) == f"{name} is for tables: text predicts each next token of its own paragraphs."
