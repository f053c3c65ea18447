"""Is it only a learning rate? Each row of the table, and the embedded sets it is measured on."""

import time

import numpy as np
import pytest

from xent.train import same_steps
from xent.train.embedded import embedded

EQUAL = ["SGD, batches of 64", "SGD, batches of 50", "SGD with momentum 0.9"]


@pytest.fixture(scope="module")
def table():
    return {row.setting: row for row in same_steps.compare()}


def test_plain_descent_is_the_same_and_bit_for_bit_where_n_is_a_power_of_two(table):
    assert table["SGD, batches of 64"].difference == 0.0
    for setting in EQUAL:
        assert table[setting].same
        assert table[setting].difference < 1e-14


def test_everything_that_looks_at_the_length_of_the_gradient_is_not(table):
    for setting, least in {
        "weight decay 0.01": 0.05,
        "gradient clipping at 0.5": 0.5,
        "Adam": 0.5,
        "a short last batch, 8 of 64": 0.02,
    }.items():
        assert not table[setting].same
        assert table[setting].difference > least
        assert table[setting].words == "no"


def test_the_remedies_are_remedies(table):
    assert table["weight decay 0.01"].remedied < 1e-13
    assert table["gradient clipping at 0.5"].remedied < 1e-13
    assert table["Adam"].remedied < 1e-3


def test_it_takes_less_than_two_seconds():
    start = time.perf_counter()
    _, seconds = same_steps.timed()
    assert time.perf_counter() - start < 2
    assert 0 < seconds < 2


def test_the_training_learns():
    data = embedded("digits")
    weight = same_steps.train(same_steps.Recipe(mean=True, lr=same_steps.RATE, batch=50))
    guesses = (np.column_stack([data.features, np.ones(200)]) @ weight).argmax(axis=1)
    assert (guesses == data.classes).mean() > 0.95


def test_its_gradient_is_that_of_the_loss():
    import xent

    data = embedded("iris")
    inputs = np.column_stack([data.features, np.ones(150)])
    weight = np.random.default_rng(0).normal(size=(5, 3))
    for mean in (True, False):
        _, grad = xent.value_and_grad(inputs @ weight, data.classes, reduction="mean" if mean else "sum")
        assert np.allclose(same_steps.gradient(weight, inputs, data.classes, mean=mean), inputs.T @ grad, rtol=1e-12)


def test_the_embedded_sets_are_those_of_the_repositories():
    from sklearn import datasets

    digits, iris = embedded("digits"), embedded("iris")
    real = datasets.load_digits()
    rows = np.sort(np.concatenate([np.flatnonzero(real.target == c)[:20] for c in range(10)]))
    assert np.array_equal(digits.features * 16, real.data[rows])
    assert np.array_equal(digits.classes, real.target[rows])
    flowers = datasets.load_iris()
    centre = np.round(flowers.data.mean(axis=0), 1)
    assert np.allclose(iris.features + centre, flowers.data)
    assert np.array_equal(iris.classes, flowers.target)
    assert iris.class_names == tuple(flowers.target_names)
