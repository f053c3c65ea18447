"""The model: its gradient is the derivative of its loss, and a prediction depends on its row alone."""

import numpy as np
import pytest

import xent
from xent.core.errors import DataError
from xent.fit.model import BLOCK, Architecture, Model
from xent.fit.threads import one_blas_thread

ARCHITECTURES = {
    "softmax regression": Architecture(5, (), 3),
    "one hidden layer": Architecture(5, (4,), 3),
    "two hidden layers": Architecture(5, (6, 4), 3),
    "tokens": Architecture(2, (4,), 7, vocabulary=8, embedding=3),
    "tokens, no hidden layer": Architecture(2, (), 7, vocabulary=8, embedding=3),
}


def a_model(architecture: Architecture, seed: int = 0) -> Model:
    """A model with no parameter at 0."""
    model = Model(architecture)
    rng = np.random.default_rng(seed)
    model.initialise(rng)
    model.vector += 0.1 * rng.standard_normal(len(model.vector))
    return model


def some_inputs(architecture: Architecture, rows: int, seed: int = 1) -> np.ndarray:
    """Rows that the model takes."""
    rng = np.random.default_rng(seed)
    if architecture.vocabulary:
        return rng.integers(0, architecture.vocabulary, (rows, architecture.inputs))
    return rng.standard_normal((rows, architecture.inputs))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_gradient_is_the_derivative_of_the_loss(name):
    model = a_model(ARCHITECTURES[name])
    inputs = some_inputs(model.architecture, 9)
    targets = np.arange(9) % model.architecture.classes
    _, d_logits = xent.value_and_grad(model.logits(inputs), targets)
    model.backward(d_logits)

    def loss_at(i: int, step: float) -> float:
        kept = model.vector[i]
        model.vector[i] = kept + step
        loss = float(xent.cross_entropy(model.logits(inputs), targets))
        model.vector[i] = kept
        return loss

    h = 1e-6
    numeric = [(loss_at(i, h) - loss_at(i, -h)) / (2 * h) for i in range(len(model.vector))]
    np.testing.assert_allclose(model.gradient, numeric, rtol=1e-6, atol=1e-9)


def test_the_derivative_check_sees_a_transposed_embedding_gradient():
    model = a_model(ARCHITECTURES["tokens"])
    inputs = some_inputs(model.architecture, 9)
    _, d_logits = xent.value_and_grad(model.logits(inputs), np.arange(9) % 7)
    model.backward(d_logits)
    right = model.gradient.copy()
    model.gradient[:] = 0
    model._tokens = model._tokens[::-1]
    model.backward(d_logits)

    assert np.abs(right - model.gradient).max() > 1e-3


def test_backward_adds_to_the_gradient():
    model = a_model(ARCHITECTURES["one hidden layer"])
    inputs = some_inputs(model.architecture, 6)
    d_logits = np.random.default_rng(2).standard_normal((6, 3))
    model.logits(inputs)
    model.backward(d_logits)
    once = model.gradient.copy()
    model.backward(d_logits)

    np.testing.assert_array_equal(model.gradient, 2 * once)


def test_sequences_are_rows_with_another_shape():
    model = a_model(ARCHITECTURES["tokens"])
    inputs = some_inputs(model.architecture, 12)

    np.testing.assert_array_equal(model.logits(inputs.reshape(3, 4, 2)).reshape(12, 7), model.logits(inputs))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_prediction_has_the_same_bits_among_any_other_rows(name):
    sizes = ARCHITECTURES[name]
    wide = Architecture(sizes.inputs, tuple(17 * h for h in sizes.hidden), 61, sizes.vocabulary, sizes.embedding)
    model = a_model(wide)
    inputs = some_inputs(wide, 3 * BLOCK + 5)
    rng = np.random.default_rng(3)
    with one_blas_thread():
        whole = model.predict_logits(inputs)
        for _ in range(40):
            chosen = rng.permutation(len(inputs))[: rng.integers(1, 2 * BLOCK)]
            np.testing.assert_array_equal(model.predict_logits(inputs[chosen]), whole[chosen])


def test_a_plain_matrix_product_would_not_have_the_same_bits():
    rng = np.random.default_rng(0)
    weight, inputs = rng.standard_normal((64, 61)), rng.standard_normal((200, 64))
    whole = inputs @ weight

    assert any(not np.array_equal(inputs[:n] @ weight, whole[:n]) for n in range(1, 200))


def test_start_values_have_the_variance_that_keeps_signals_alive():
    model = Model(Architecture(400, (300,), 200))
    model.initialise(np.random.default_rng(0))

    assert model.arrays["dense0.weight"].std() == pytest.approx((2 / 400) ** 0.5, rel=0.01)
    assert model.arrays["dense1.weight"].std() == pytest.approx((1 / 300) ** 0.5, rel=0.01)
    assert not model.arrays["dense0.bias"].any()


def test_arrays_of_another_model_are_refused():
    model, other = Model(Architecture(2, (), 3)), Model(Architecture(2, (4,), 3))
    with pytest.raises(DataError) as missing:
        model.load(other.arrays, "m.safetensors")
    wrong = {"dense0.weight": np.zeros((3, 2)), "dense0.bias": np.zeros(3)}
    with pytest.raises(DataError) as shape:
        model.load(wrong, "m.safetensors")
    nan = {"dense0.weight": np.full((2, 3), np.nan), "dense0.bias": np.zeros(3)}
    with pytest.raises(DataError) as number:
        model.load(nan, "m.safetensors")

    assert str(missing.value) == (
        "m.safetensors does not belong to this model: arrays that are missing or unknown: dense1.bias, dense1.weight."
    )
    assert str(shape.value) == (
        "m.safetensors does not belong to this model: dense0.weight is float64 of shape (3, 2), "
        "not float64 of shape (2, 3)."
    )
    assert str(number.value) == "m.safetensors is damaged: dense0.weight holds a number that is not finite."
    assert not model.vector.any()
