"""The optimisers, against the formulas of their papers written out for one number."""

import math

import numpy as np
import pytest

from xent.core.errors import OptionError
from xent.fit.optimizers import OPTIMIZERS, optimizer

GRADIENTS = [0.5, -2.0, 0.0, 1e-3, 7.0, -0.25, 3.0]


def sgd(x: float, gradients: list[float], lr: float) -> float:
    for g in gradients:
        x -= lr * g
    return x


def momentum(x: float, gradients: list[float], lr: float) -> float:
    v = 0.0
    for g in gradients:
        v = 0.9 * v - lr * g
        x += v
    return x


def adam(x: float, gradients: list[float], lr: float) -> float:
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        x -= lr * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x


@pytest.mark.parametrize(("name", "formula"), [("sgd", sgd), ("momentum", momentum), ("adam", adam)])
def test_steps_follow_the_formula(name, formula):
    steps, x = optimizer(name, 2, 0.03), np.array([1.0, -4.0])
    for g in GRADIENTS:
        steps.step(x, np.array([g, -2 * g]))

    expected = [formula(1.0, GRADIENTS, 0.03), formula(-4.0, [-2 * g for g in GRADIENTS], 0.03)]
    np.testing.assert_allclose(x, expected, rtol=1e-14)


def test_adam_without_the_bias_correction_would_be_seen():
    def uncorrected(x: float, gradients: list[float], lr: float) -> float:
        m = v = 0.0
        for g in gradients:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            x -= lr * m / (math.sqrt(v) + 1e-8)
        return x

    assert abs(uncorrected(1.0, GRADIENTS, 0.03) - adam(1.0, GRADIENTS, 0.03)) > 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_restored_goes_on_with_the_same_bits(name):
    rng = np.random.default_rng(0)
    whole, first, second = (optimizer(name, 5, None) for _ in range(3))
    x = rng.standard_normal(5)
    y = x.copy()
    gradients = rng.standard_normal((8, 5))
    for g in gradients:
        whole.step(x, g)
    for g in gradients[:3]:
        first.step(y, g)
    for key, array in first.state().items():
        second.state()[key][...] = array
    for g in gradients[3:]:
        second.step(y, g)

    np.testing.assert_array_equal(x, y)


def test_another_name_is_refused():
    with pytest.raises(OptionError) as error:
        optimizer("lion", 3, None)

    assert str(error.value) == "optimizer is 'lion': it must be one of sgd, momentum, adam."
