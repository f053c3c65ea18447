"""Rows that break kernels, on every kernel and dtype, against exact arithmetic within the promised bounds."""

import numpy as np
import pytest

import xent
from tests.accuracy import bounds
from tests.accuracy.batch import exact_batch
from tests.accuracy.exact import PLAIN, Options
from tests.accuracy.ulp import DTYPES
from tests.kernels.lanes_alone import fused
from tests.laws.bits import assert_same
from xent._kernels.cpu.select import NARROW_CLASSES, TILE

CLASSES = (1, 10, NARROW_CLASSES, 100, TILE, 2 * TILE + 5)  # narrow, wide, long; halves and float64 have no narrow one
DEEP = {"float16": 17.0, "bfloat16": 92.0, "float32": 103.0, "float64": 745.0}  # nats to the subnormal results
# where a multiplication and an addition are two roundings (x86-64 before 2013, plain Python): 3.05 ULP measured for 3
SLACK = {"float64": 1.0 if fused() else 1.1}
every = pytest.mark.parametrize("dtype", sorted(DTYPES))
kernels = pytest.mark.parametrize("classes", CLASSES)
options = pytest.mark.parametrize(
    "chosen", [PLAIN, Options(label_smoothing=0.1), Options(lse_square_scale=1e-3)], ids=["plain", "smooth", "z"]
)


def called(logits: np.ndarray, targets: np.ndarray, chosen: Options = PLAIN) -> tuple[np.ndarray, np.ndarray]:
    """Losses of the rows, and the gradient of their sum."""
    found = {"label_smoothing": chosen.label_smoothing, "lse_square_scale": chosen.lse_square_scale}
    losses, grad = xent.value_and_grad(logits, targets, reduction="none", **found)
    return np.asarray(losses), grad


def assert_right(rows: list[np.ndarray], targets: list[int], dtype: str, chosen: Options = PLAIN) -> None:
    """Every row within its bounds."""
    with np.errstate(over="ignore"):
        logits, index = np.array(rows).astype(DTYPES[dtype]), np.array(targets)
    losses, grad = called(logits, index, chosen)
    for i in range(len(rows)):
        row = slice(i, i + 1)
        with np.errstate(all="ignore"):
            found = bounds.check(logits[row], index[row], losses[row], grad[row], chosen)
        assert found.over <= SLACK.get(dtype, 1.0), f"row {i}, target {index[i]}: {found}"


@every
@kernels
@pytest.mark.parametrize("sign", [0, 1])
def test_a_nan_of_any_sign_and_payload_makes_its_row_nan_and_no_other(dtype, classes, sign):
    bits = np.dtype(f"uint{8 * DTYPES[dtype].itemsize}")
    digits = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}[dtype]
    infinite = int(np.array(np.inf, DTYPES[dtype]).view(bits))
    patterns = [infinite | p for p in (1, 2, 3, 5, (1 << digits) - 1, 1 << (digits - 1), (1 << (digits - 1)) | 1)]
    logits = np.random.default_rng(classes).standard_normal((2 * len(patterns), classes)).astype(DTYPES[dtype])
    clean = logits[1::2].copy()
    for i, pattern in enumerate(patterns):
        place = (0, classes // 2, classes - 1)[i % 3]
        logits.view(bits)[2 * i, place] = pattern | (sign << (8 * bits.itemsize - 1))
    targets = np.zeros(len(logits), np.int64)
    losses, grad = called(logits, targets)
    assert np.isnan(losses[::2]).all()
    assert np.isnan(grad[::2].astype(np.float64)).all()
    alone = called(clean, targets[1::2])
    assert_same(losses[1::2], alone[0], "losses")
    assert_same(grad[1::2], alone[1], "gradient")


@every
@kernels
def test_a_row_without_a_finite_maximum_is_nan(dtype, classes):
    logits = np.zeros((4, classes), DTYPES[dtype])
    logits[0, classes // 2], logits[1, -1], logits[2, :] = np.inf, np.inf, -np.inf
    logits[1, 0] = -np.inf if classes > 1 else np.inf
    losses, grad = called(logits, np.zeros(4, np.int64))
    assert np.isnan(losses[:3]).all()
    assert np.isnan(grad[:3].astype(np.float64)).all()
    assert np.isfinite(losses[3])
    assert np.isfinite(grad[3].astype(np.float64)).all()


@every
@kernels
@options
def test_classes_at_minus_infinity_even_whole_tiles_of_them(dtype, classes, chosen):
    if classes == 1:
        classes = 2
    x = np.random.default_rng(3).standard_normal(classes)
    first, last, odd = x.copy(), x.copy(), x.copy()
    first[: min(TILE + 3, classes - 1)], last[1:], odd[1::2] = -np.inf, -np.inf, -np.inf
    targets = [classes - 1, 0, 0]
    if chosen.label_smoothing:  # a mean over infinite losses: infinite, as the definition has it
        losses, _ = called(np.array([first, last, odd]).astype(DTYPES[dtype]), np.array(targets), chosen)
        assert (losses == np.inf).all()
        return
    assert_right([first, last, odd], targets, dtype, chosen)


@every
@kernels
@options
def test_ties_at_the_maximum_in_several_tiles(dtype, classes, chosen):
    x = np.full(classes, -3.0)
    x[:: max(1, classes // 3)] = 2.5
    assert_right([x, x, np.zeros(classes), x[::-1].copy()], [0, classes - 1, classes // 2, 0], dtype, chosen)


@every
@kernels
@options
def test_subnormal_logits_and_subnormal_results(dtype, classes, chosen):
    tiny = float(np.finfo(np.float32).smallest_subnormal) if dtype != "float64" else 5e-324
    rng = np.random.default_rng(classes)
    small = rng.integers(-9, 10, classes) * tiny
    deep = -rng.uniform(0.8, 1.01, classes) * DEEP[dtype]
    deep[classes // 2] = 0.0
    assert_right([small, deep, deep], [0, classes // 2, 0], dtype, chosen)


@every
@kernels
@options
@pytest.mark.parametrize("offset", [-60000.0, -600.0, 511.9, 512.1, 2049.0, 60000.0])
def test_a_large_offset_of_all_logits(dtype, classes, chosen, offset):
    rng = np.random.default_rng(classes)
    rows = [rng.standard_normal(classes) * 3 + offset for _ in range(2)]
    assert_right(rows, [0, classes - 1], dtype, chosen)


@every
@options
@pytest.mark.parametrize("nats", [11.9, 13.0, 60.0, 130.0, 700.0, 1000.0])
def test_tiles_whose_maxima_differ_in_either_order(dtype, chosen, nats):
    if dtype == "float16" and nats > 500:
        nats = 500.0
    classes = 2 * TILE + 77
    x = np.random.default_rng(5).standard_normal(classes)
    steps = np.minimum(np.arange(classes) // TILE, 2) * nats
    middle = np.where(np.arange(classes) // TILE == 1, nats, 0.0)
    rows = [x + steps, x - steps, x + middle, x - middle, x + steps - nats, x + 400 - steps]
    assert_right(rows, [0, classes - 1, TILE, 1, int(x.argmax()), 2 * TILE], dtype, chosen)


@every
@kernels
@options
def test_rows_sure_of_a_wrong_class(dtype, classes, chosen):
    if classes == 1:
        classes = 2
    rows, targets = [], []
    for nats in (12.0, 20.0, 40.0, 103.0, 300.0, 800.0):
        x = np.random.default_rng(6).standard_normal(classes)
        x[classes - 1] = x.max() + nats
        rows.append(x)
        targets.append(0)
    assert_right(rows, targets, dtype, chosen)


@every
@kernels
def test_rows_that_do_not_count_may_hold_anything_and_change_nothing(dtype, classes):
    rng = np.random.default_rng(classes)
    logits = (rng.standard_normal((9, classes)) * 3).astype(DTYPES[dtype])
    targets = rng.integers(0, classes, 9)
    alone = called(logits[::2].copy(), targets[::2])
    logits[1], logits[3], logits[5] = np.nan, np.inf, -np.inf
    targets[1::2] = -100
    losses, grad = called(logits, targets)
    assert_same(losses[::2], alone[0], "losses")
    assert_same(grad[::2], alone[1], "gradient")
    assert not losses[1::2].any()
    assert not grad[1::2].astype(np.float64).any()


@every
@options
def test_ignored_rows_of_later_groups_lose_nothing(dtype, chosen):
    """Rows are worked on in groups: what is left of the group before must not show."""
    logits = (np.random.default_rng(7).standard_normal((300, 100)) * 3).astype(DTYPES[dtype])
    targets = np.where(np.arange(300) % 3, np.arange(300) % 100, -100)
    losses, grad = called(logits, targets, chosen)
    assert (losses[1::3] > 0).all()
    assert not losses[::3].any()
    assert not grad[::3].astype(np.float64).any()


@every
@kernels
def test_rows_of_a_huge_weight_change_no_other_row(dtype, classes):
    rng = np.random.default_rng(classes)
    logits = (rng.standard_normal((7, classes)) * 3).astype(DTYPES[dtype])
    targets, weight = rng.integers(0, classes, 7), np.ones(7)
    weight[2], weight[5] = 2.0**31, 2.0**60
    _, plain = xent.value_and_grad(logits, targets, reduction="sum")
    _, heavy = xent.value_and_grad(logits, targets, reduction="sum", sample_weight=weight)
    assert_same(heavy[[0, 1, 3, 4, 6]], plain[[0, 1, 3, 4, 6]], "gradient")
    for i in (2, 5):
        chosen = Options(sample_weight=float(weight[i]))
        exact = exact_batch(logits[i : i + 1], targets[i : i + 1], chosen)
        losses = xent.cross_entropy(
            logits[i : i + 1], targets[i : i + 1], reduction="none", sample_weight=weight[i : i + 1]
        )
        found = bounds.check(
            logits[i : i + 1], targets[i : i + 1], np.asarray(losses), heavy[i : i + 1], chosen, exact=exact
        )
        assert found.ok, found


@every
@kernels
def test_probability_rows_beside_rows_that_do_not_count_are_the_same_alone(dtype, classes):
    rng = np.random.default_rng(classes)
    logits = (rng.standard_normal((6, classes)) * 3).astype(DTYPES[dtype])
    q = rng.dirichlet(np.ones(classes), 6)
    q[1], q[4] = 0.0, 0.0  # a row of no mass does not count
    q[2] = np.arange(classes) == classes // 2  # this row is the index, by another kernel than its neighbours
    losses, grad = called(logits, q)
    for i in range(6):
        one = called(logits[i : i + 1].copy(), q[i : i + 1])
        assert_same(losses[i : i + 1], one[0], "loss")
        assert_same(grad[i : i + 1], one[1], "gradient")
    index = called(logits[2:3].copy(), np.array([classes // 2]))
    assert_same(losses[2:3], index[0], "loss of the one-hot row")
    assert_same(grad[2:3], index[1], "gradient of the one-hot row")


@every
@kernels
def test_an_empty_batch_has_empty_results(dtype, classes):
    losses, grad = called(np.empty((0, classes), DTYPES[dtype]), np.empty(0, np.int64))
    assert losses.shape == (0,)
    assert grad.shape == (0, classes)
