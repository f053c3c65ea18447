"""The gradient's noise: against gradients taken row by row, and the Hessian written out."""

import dataclasses

import numpy as np
import pytest

from tests.test_sweep.problems import PROBLEMS, iris
from xent.fit.model import Model
from xent.train import noise
from xent.train.copies import Copies, softmax_minus_onehot
from xent.train.noise import Point, curved, estimated, exact


def point_of(problem, scale=0.3):
    vector = Copies(problem.architecture, [1]).vector[0]
    vector += np.random.default_rng(2).normal(0, scale, vector.shape)
    return Point(problem.architecture, vector, problem.inputs, problem.targets)


def row_gradients(point):
    """(N, P): one backward pass a row."""
    found = []
    for i in range(len(point.targets)):
        model = Model(point.architecture)
        model.vector[:] = point.vector
        logits = model.logits(point.inputs[i : i + 1])
        model.backward(softmax_minus_onehot(logits[None], point.targets[None, i : i + 1])[0])
        found.append(model.gradient)
    return np.array(found)


def by_rows(point):
    """|G|² and tr Σ as they are defined."""
    each = row_gradients(point)
    mean = each.mean(0)
    return float(mean @ mean), float(np.square(each - mean).sum(1).mean())


@pytest.mark.parametrize("name", PROBLEMS)
def test_without_the_rows_gradients_it_is_the_same_noise(name):
    point = point_of(PROBLEMS[name])
    gradient, variance = by_rows(point)
    found = exact(point)
    assert found.gradient == pytest.approx(gradient, rel=1e-12)
    assert found.variance == pytest.approx(variance, rel=1e-12)
    assert found.rows == pytest.approx(variance / gradient, rel=1e-12)


def test_in_pieces_it_is_the_same(monkeypatch):
    point = point_of(PROBLEMS["iris, hidden"])
    whole = exact(point)
    monkeypatch.setattr("xent.train.copies.CHUNK", 30)
    monkeypatch.setattr(noise, "_BLOCK", 1000)
    assert exact(point) == pytest.approx(whole, rel=1e-12)
    linear = point_of(PROBLEMS["iris"])
    pieces = curved(linear)
    monkeypatch.setattr(noise, "_BLOCK", 2**30)
    assert curved(linear) == pytest.approx(pieces, rel=1e-12)


def hessian(point):
    """(P, P) by central differences of the gradient, in the order of the vector."""
    h, columns = 1e-5, []
    for k in range(len(point.vector)):
        ends = []
        for step in (h, -h):
            moved = point.vector.copy()
            moved[k] += step
            ends.append(row_gradients(dataclasses.replace(point, vector=moved)).mean(0))
        columns.append((ends[0] - ends[1]) / (2 * h))
    return np.array(columns)


def test_with_the_hessian_written_out_it_is_the_same_noise():
    some = iris()
    point = point_of(dataclasses.replace(some, inputs=some.inputs[::5], targets=some.targets[::5]))
    H, each = hessian(point), row_gradients(point)
    G = each.mean(0)
    sigma = np.cov(each.T, bias=True)
    found = curved(point)
    assert found.rows == pytest.approx(np.trace(H @ sigma) / (G @ H @ G), rel=1e-6)
    assert found.longest_lr == pytest.approx(G @ G / (G @ H @ G), rel=1e-6)
    assert curved(point_of(PROBLEMS["iris, hidden"])) is None
    assert curved(point_of(PROBLEMS["words"])) is None


def test_two_batch_sizes_estimate_it():
    point = point_of(PROBLEMS["iris"])
    wanted = exact(point)
    found = [estimated(point, np.random.default_rng(k), draws=200) for k in range(8)]
    for name in ("gradient", "variance"):
        values = np.array([getattr(each, name) for each in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - getattr(wanted, name)) <= 4 * error + 1e-12
        assert error <= 0.1 * getattr(wanted, name)


def test_where_nothing_pulls_the_scale_is_infinite():
    assert noise.Scale(0.0, 1.0).rows == float("inf")


# Wrong on purpose: each formula with one of its parts forgotten.
def without_bias(point):
    found = exact(point)
    deltas = softmax_minus_onehot(point.copies().forward(point.inputs[None])[0], point.targets[None])
    return found.gradient, found.variance - float(np.square(deltas).sum(-1).mean())


def second_moment(point):
    found = exact(point)
    return found.gradient, found.variance + found.gradient


def sum_of_rows(point):
    found = exact(point)
    return found.gradient * len(point.targets) ** 2, found.variance


@pytest.mark.parametrize("mutant", [without_bias, second_moment, sum_of_rows])
def test_a_wrong_formula_would_be_seen(mutant):
    point = point_of(PROBLEMS["iris"])
    assert mutant(point) != pytest.approx(by_rows(point), rel=1e-6)
