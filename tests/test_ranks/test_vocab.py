"""Classes cut over ranks: the loss and the gradient of the uncut rows, the same loss on every rank."""

import numpy as np
import pytest

import xent
from tests.test_ranks import cases
from tests.test_ranks.world import Raised

RNG = np.random.default_rng(7)
ROWS, CLASSES = 9, 13
CUTS = {1: [], 2: [5], 3: [4, 4], 4: [1, 6, 12]}  # where the shards begin; the second of three is empty


def logits_of(kind="plain", dtype=np.float64):
    """Rows of logits: confident and not, some classes missing, ties."""
    x = RNG.normal(0, 3, (ROWS, CLASSES))
    x[0, 2] += 40.0
    x[1, :] = 1.0
    if kind == "masked":  # a whole shard, and single classes
        x[:, 4:6] = -np.inf
        x[3, 6:12] = -np.inf
        x[2, 0] = -np.inf
    return x.astype(dtype)


TARGETS = np.array([2, 7, 12, 0, -100, 5, 6, 11, 3])
OPTIONS = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "smoothing": {"label_smoothing": 0.1},
    "weights": {"weight": RNG.choice([0.0, 0.5, 2.0], CLASSES)},
    "weights and smoothing": {"weight": RNG.choice([0.3, 2.0], CLASSES), "label_smoothing": 0.2},
    "samples": {"sample_weight": RNG.choice([0.0, 0.5, 2.0], ROWS)},
    "z-loss": {"lse_square_scale": 1e-2},
    "z-loss, smoothing, weights": {
        "lse_square_scale": 1e-2, "label_smoothing": 0.1, "weight": RNG.choice([0.3, 2.0], CLASSES),
    },
    "cap and scale": {"softcap": 5.0, "logit_scale": 1.7},
    "cap, scale, smoothing": {"softcap": 5.0, "logit_scale": 0.7, "label_smoothing": 0.1},
    "none": {"reduction": "none"},
    "batch": {"denominator": "batch"},
    "number": {"denominator": 100},
}  # fmt: skip


def check(answers, logits, targets, dtype=np.float64, **options):
    """The same loss on every rank, and it and the gradient within the bounds of those of the uncut rows."""
    assert not [a for a in answers if isinstance(a, Raised)], answers[0]
    assert all(np.array_equal(a[0], answers[0][0], equal_nan=True) for a in answers)
    exact = logits.astype(np.float64)
    loss, grad = xent.value_and_grad(exact, targets, **options)
    found, found_grad = answers[0][0], np.concatenate([a[1] for a in answers], axis=1)
    assert found.dtype == found_grad.dtype == dtype
    eps = np.finfo(dtype).eps
    units = 6 if dtype == np.float64 else 1
    np.testing.assert_allclose(found, loss, rtol=units * eps, atol=0)
    differences = options.get("label_smoothing") or options.get("lse_square_scale") or targets.shape == logits.shape
    if not differences:
        np.testing.assert_allclose(found_grad, grad, rtol=units * eps, atol=0)
        return
    # of a difference A - v the error is in proportion to A + v, which is at most |A - v| + 2v
    v = subtracted(exact, targets, **options)
    pull = options.get("lse_square_scale", 0.0) * np.abs(v).max() * 50.0
    assert (np.abs(found_grad - grad) <= 4 * eps * (np.abs(grad) + 2 * v + pull)).all()


def subtracted(logits, targets, weight=1.0, label_smoothing=0.0, sample_weight=None, **options):
    """What the gradient subtracts: class weight × smoothed target × sample weight / denominator."""
    q = targets if targets.shape == logits.shape else np.eye(CLASSES)[np.maximum(targets, 0)]
    v = weight * ((1 - label_smoothing) * q + label_smoothing / CLASSES)
    v = v if sample_weight is None else v * sample_weight[:, np.newaxis]
    if options.get("reduction", "mean") != "mean":
        return v
    given = {"sample_weight": sample_weight, "denominator": options.get("denominator"), "returns": ("denominator",)}
    weights = None if isinstance(weight, float) else weight
    return v / xent.cross_entropy(logits, targets, weight=weights, **given).denominator


@pytest.mark.parametrize("ranks", CUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_classes_cut_over_ranks_give_the_loss_of_the_uncut_rows(world, ranks, dtype, options):
    logits = logits_of(dtype=dtype)
    answers = world.run(ranks, cases.vocab_parallel, np.split(logits, CUTS[ranks], axis=1), TARGETS, **options)
    check(answers, logits, TARGETS, dtype, **options)


@pytest.mark.parametrize("ranks", CUTS)
@pytest.mark.parametrize("options", [{}, {"weight": RNG.choice([0.5, 2.0], CLASSES)}], ids=["plain", "weights"])
def test_probability_rows_are_cut_as_the_logits(world, ranks, options):
    logits, q = logits_of(), RNG.dirichlet(np.full(CLASSES, 0.3), ROWS) * RNG.choice([0.5, 1.0, 2.0], (ROWS, 1))
    q[5] = 0.0
    cut = [np.split(a, CUTS[ranks], axis=1) for a in (logits, q)]
    for rule in ("batch", "weights"):
        answers = world.run(ranks, cases.vocab_parallel, *cut, denominator=rule, **options)
        check(answers, logits, q, denominator=rule, **options)


@pytest.mark.parametrize("ranks", [3, 4])
def test_a_masked_shard_changes_nothing(world, ranks):
    logits = logits_of("masked")
    targets = np.where(np.isneginf(logits[np.arange(ROWS), np.maximum(TARGETS, 0)]), -100, TARGETS)
    answers = world.run(ranks, cases.vocab_parallel, np.split(logits, CUTS[ranks], axis=1), targets)
    check(answers, logits, targets)


def test_a_target_at_minus_infinity_is_infinite_and_a_row_without_a_maximum_is_nan(world):
    logits = logits_of()
    logits[0, 7], logits[3] = np.nan, -np.inf
    logits[1, 7] = -np.inf
    logits[5, 1] = np.inf
    answers = world.run(4, cases.vocab_parallel, np.split(logits, CUTS[4], axis=1), TARGETS, reduction="none")
    loss, grad = xent.value_and_grad(logits, TARGETS, reduction="none")
    found = np.concatenate([a[1] for a in answers], axis=1)
    assert np.isnan(answers[2][0]).tolist() == np.isnan(loss).tolist() == [i in (0, 3, 5) for i in range(ROWS)]
    assert answers[2][0][1] == np.inf
    np.testing.assert_allclose(found, grad, rtol=1e-15, atol=0)


def test_nothing_is_zero(world):
    for logits, targets in ((np.zeros((0, 6)), np.zeros(0, np.int64)), (np.zeros((2, 6)), np.array([-100, -100]))):
        answers = world.run(2, cases.vocab_parallel, np.split(logits, 2, axis=1), targets)
        assert [(float(a), g.any()) for a, g in answers] == [(0.0, False)] * 2


def test_upstream_and_more_axes(world):
    logits, targets = RNG.normal(size=(2, 6, 3)), np.array([[0, 5, -100], [1, 2, 3]])
    answers = world.run(2, cases.vocab_parallel, np.split(logits, [4], axis=1), targets, upstream=3.0)
    loss, grad = xent.value_and_grad(logits, targets, axis=1, grad_scale=3.0)
    np.testing.assert_allclose(answers[0][0], loss, rtol=1e-15)
    np.testing.assert_allclose(np.concatenate([a[1] for a in answers], axis=1), grad, rtol=1e-15)


def test_two_collectives_carry_it(world):
    called = world.run(2, cases.collectives, cases.vocab_parallel, np.split(logits_of(), [5], axis=1), TARGETS)
    assert called == [["all_gather", "all_gather"]] * 2


def test_half_precision_logits_are_read_as_they_are(world):
    logits = logits_of().astype(np.float16)
    answers = world.run(2, cases.vocab_parallel, np.split(logits, CUTS[2], axis=1), TARGETS)
    loss, grad = xent.value_and_grad(logits, TARGETS)
    assert answers[0][0] == loss
    assert answers[0][1].dtype == np.float16
    found = np.concatenate([a[1] for a in answers], axis=1).astype(np.float64)
    np.testing.assert_allclose(found, grad.astype(np.float64), rtol=2**-10, atol=2**-24)


def test_a_dtensor_says_its_group_itself(world):
    logits = logits_of()
    answers = world.run(4, cases.vocab_parallel_dtensor, logits, TARGETS)
    loss, grad = xent.value_and_grad(logits, TARGETS)
    assert len({float(a[0]) for a in answers}) == 1
    np.testing.assert_allclose(float(answers[0][0]), loss, rtol=1e-15)
    np.testing.assert_allclose(answers[0][1], grad, rtol=1e-15)
    rows = "input is a DTensor placed as (Shard(dim=0), Shard(dim=1)): its class axis 1 must be sharded over one mesh "
    assert answers[0][2] == (
        f"{rows}dimension, and nothing else.\n  Of rows sharded too, pass input.to_local(), group=mesh['tp']."
    )


ERRORS = {
    "a bad label": (
        {"targets": [np.array([0, 1, 99])] * 2},
        "1 of 3 targets is out of range, first target[2] = 99: with 6 classes",
    ),
    "a bad label on one rank": (
        {"targets": [np.array([0, 1, 2]), np.array([0, 1, 99])]},
        (
            "ranks 0 and 1 of 2 have different targets or sample weights: where classes are cut over ranks, each has "
            "all rows.\n  Pass the group of the ranks that share these rows."
        ),
    ),
    "other rows": (
        {"targets": [np.array([0, 1]), np.array([0, 1, 2])], "logits": [np.zeros((2, 3)), np.zeros((3, 3))]},
        (
            "ranks 0 and 1 of 2 have different rows (2 and 3): where classes are cut over ranks, each has all rows.\n"
            "  Pass the group of the ranks that share these rows."
        ),
    ),
    "a wrong dtype on one rank": (
        {"targets": [np.array([0, 1, 2]), np.array([0.0, 1.0, 2.0])]},
        (
            "rank 1 of 2: target has dtype torch.float64: it must be an integer dtype for class indices, or floats of "
            "the input's shape for probabilities.\n  If they are whole numbers: target.long()."
        ),
    ),
    "no class at all": (
        {"targets": [np.array([0, 1, 2])] * 2, "logits": [np.zeros((3, 0))] * 2},
        "input has shape (3, 0): the class axis must hold at least one class.",
    ),
    "too few weights": (
        {"targets": [np.array([0, 1, 2])] * 2, "weight": np.ones(3)},
        "weight has shape (3,): it must have shape (6,), one weight a class of all ranks.",
    ),
}


@pytest.mark.parametrize(("given", "text"), ERRORS.values(), ids=ERRORS)
def test_what_does_not_fit_together_is_raised_on_every_rank(world, given, text):
    answers = world.run(2, cases.vocab_parallel, **{"logits": [np.zeros((3, 3))] * 2, **given})
    assert {a.text for a in answers} == {answers[0].text}
    assert answers[0].text.startswith(text)
