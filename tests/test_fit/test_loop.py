"""The loop divides once: micro-batches give what the whole batch gives, and the mean of their means does not."""

import math

import numpy as np
import pytest

import xent
from xent.core.errors import XentError
from xent.fit.examples import IGNORED, Rows, Sequences, batches, pieces
from xent.fit.loop import Fit, Objective, score
from xent.fit.model import Architecture, Model
from xent.fit.optimizers import optimizer

V = 6
WEIGHT = np.array([1.0, 0.25, 3.0, 0.5, 2.0, 1.5])


def rows(count: int = 70, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows(rng.standard_normal((count, 5)), rng.integers(0, V, count))


def sequences(count: int = 40, seed: int = 0) -> Sequences:
    """Texts of very unequal length, so that micro-batches hold unequal counts."""
    rng = np.random.default_rng(seed)
    lengths = rng.choice([1, 2, 3, 30], count)
    return Sequences([rng.integers(0, V + 1, (n, 2)) for n in lengths], [rng.integers(0, V, n) for n in lengths])


def a_fit(examples, *, micro_batches=1, lr=0.05, name="momentum", objective=None, batch_size=16) -> Fit:
    token = isinstance(examples, Sequences)
    sizes = Architecture(2, (8,), V, vocabulary=V + 1, embedding=3) if token else Architecture(5, (8,), V)
    model = Model(sizes)
    model.initialise(np.random.default_rng(7))
    steps = optimizer(name, len(model.vector), lr)
    return Fit(model, steps, objective or Objective(), batch_size=batch_size, micro_batches=micro_batches, seed=3)


def trained(examples, epochs: int = 5, **options) -> np.ndarray:
    """The weights after some epochs."""
    fit = a_fit(examples, **options)
    for _ in range(epochs):
        fit.train_epoch(examples)
    return fit.model.vector


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to the largest weight."""
    return float(np.abs(a - b).max() / np.abs(a).max())


OBJECTIVES = {
    "mean": Objective(),
    "items": Objective(denominator="items", weight=WEIGHT),
    "batch": Objective(denominator="batch"),
    "a number": Objective(denominator=64.0),
    "class weights": Objective(weight=WEIGHT),
    "class weights and smoothing": Objective(weight=WEIGHT, label_smoothing=0.1),
    "smoothing": Objective(label_smoothing=0.3),
    "sum": Objective(reduction="sum"),
}


@pytest.mark.parametrize("micro_batches", [2, 3, 4, 16])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("examples", [rows(), sequences()], ids=["rows", "sequences"])
def test_micro_batches_give_the_weights_of_the_whole_batch(examples, objective, micro_batches):
    options = {"objective": OBJECTIVES[objective], "lr": 0.001 if objective == "sum" else 0.05}

    whole, cut = trained(examples, **options), trained(examples, micro_batches=micro_batches, **options)

    assert apart(whole, cut) <= 1e-12


def mean_of_means(examples, epochs: int = 5, micro_batches: int = 4) -> np.ndarray:
    """The well-known wrong loop: every micro-batch divides by its own count, then by how many there are."""
    fit = a_fit(examples)
    for epoch in range(1, epochs + 1):
        for chosen in batches(len(examples), fit.batch_size, fit.seed, epoch):
            cut = pieces(*examples.take(chosen), micro_batches)
            fit.model.gradient[:] = 0
            for inputs, targets in cut:
                _, d_logits = xent.value_and_grad(fit.model.logits(inputs), targets)
                fit.model.backward(d_logits / len(cut))
            fit.optimizer.step(fit.model.vector, fit.model.gradient)
    return fit.model.vector


def test_the_mean_of_micro_batch_means_does_not():
    examples = sequences()

    assert apart(trained(examples), mean_of_means(examples, micro_batches=1)) <= 1e-12
    assert apart(trained(examples), mean_of_means(examples, micro_batches=4)) > 0.01


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "sum"])
def test_the_divisor_known_from_the_targets_is_the_one_of_the_loss(objective):
    examples, chosen = sequences(), np.arange(16)
    inputs, targets = examples.take(chosen)
    logits = a_fit(examples).model.logits(inputs)
    options = OBJECTIVES[objective]
    divisor = options.divisor(targets)

    layer = options.layer()
    whole = layer.forward(logits, targets)

    assert float(whole) == pytest.approx(layer.total.loss_over(divisor), rel=1e-15)


def test_a_sum_with_the_learning_rate_over_n_is_the_mean():
    examples = rows(64)
    by_mean = trained(examples, batch_size=64, lr=0.5, name="sgd")
    by_sum = trained(examples, batch_size=64, lr=0.5 / 64, name="sgd", objective=Objective(reduction="sum"))

    np.testing.assert_array_equal(by_mean, by_sum)  # 64 is a power of two: the same bits


def test_a_fixed_denominator_weighs_the_rows_of_a_short_batch_alike():
    examples = rows(70)
    fit = a_fit(examples, objective=Objective(denominator=16.0))

    assert fit.divisors(examples, 1)[0].tolist() == [16.0] * 5
    assert a_fit(examples).divisors(examples, 1) == (pytest.approx([16.0] * 4 + [6.0]), 6)


def test_the_loss_of_an_epoch_is_the_mean_over_its_rows_whatever_the_batches():
    examples = rows(70)
    still = [
        a_fit(examples, lr=1e-300, name="sgd", batch_size=size).train_epoch(examples).total for size in (70, 16, 1)
    ]

    model = a_fit(examples).model
    exact = xent.total(model.logits(examples.inputs), examples.targets)
    assert [total.loss for total in still] == pytest.approx([exact.loss] * 3, rel=1e-14)
    assert [total.denominator for total in still] == [70.0] * 3


def test_a_batch_in_which_nothing_counts_changes_nothing():
    nothing = Sequences([np.zeros((3, 2), int)], [np.full(3, IGNORED)])
    fit = a_fit(nothing)
    before = fit.model.vector.copy()
    gradient = fit._gradient(fit.objective.layer(), [nothing.take(np.array([0]))], 0.0)

    assert gradient[0] == xent.Total.zero()
    assert not fit.model.gradient.any()
    np.testing.assert_array_equal(fit.model.vector, before)


@pytest.mark.parametrize(
    ("objective", "hint"),
    [
        (Objective(), "a smaller --lr."),
        (Objective(reduction="sum"), "a smaller --lr: a sum is as many times longer than a mean as a batch has rows."),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run_with_one_message(objective, hint):
    examples = rows()
    fit = a_fit(examples, lr=1e200, name="sgd", objective=objective)
    with pytest.raises(XentError) as error:
        fit.train_epoch(examples)

    assert str(error.value) == (
        f"the loss is no finite number any more: epoch 1, step 2, SGD, lr 1e+200.\n  Steps were too long. Try {hint}"
    )


def test_a_validation_loss_that_is_no_number_stops_the_run_too():
    fit = a_fit(rows())
    fit.epoch = 3
    with pytest.raises(XentError, match=r"^the loss is no finite number any more: validation after epoch 3, SGD with"):
        fit.keep_best(math.inf)


def test_the_best_epoch_is_kept_and_the_first_of_equals():
    fit = a_fit(rows())
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.0], start=1):
        fit.epoch = epoch
        fit.model.vector[:] = epoch
        fit.keep_best(loss)

    assert (fit.best_epoch, fit.best_loss, fit.best[0]) == (2, 1.0, 2.0)


def test_scores_are_plain_cross_entropy_row_by_row():
    examples = sequences()
    model = a_fit(examples).model
    scores = score(model, examples)
    inputs, targets = examples.flat()
    p = np.exp(model.logits(inputs))
    p /= p.sum(axis=1, keepdims=True)

    np.testing.assert_allclose(scores.losses, -np.log(p[np.arange(len(targets)), targets]), rtol=1e-12)
    assert scores.total.loss == pytest.approx(math.fsum(scores.losses) / len(targets), rel=1e-14)
    np.testing.assert_array_equal(scores.predicted, p.argmax(axis=1))
