"""Probability rows on vectors: bits, bounds, special rows, and what targets weigh, for every pair of dtypes."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import xent
from tests.accuracy import bounds
from tests.accuracy.exact import PLAIN, Options
from tests.accuracy.ulp import DTYPES
from tests.kernels.test_row_alone import CLASSES, LAYOUTS, MOST, kernels, last_row_differs, placed, untouched
from tests.laws.bits import assert_same
from xent._kernels.cpu import fast, launch
from xent._kernels.cpu.select import GENERAL, TILE

every = pytest.mark.parametrize("dtype", sorted(DTYPES))
of_targets = pytest.mark.parametrize("q_dtype", sorted(DTYPES))
USUAL = [*((d, d) for d in sorted(DTYPES)), *((d, "float32") for d in sorted(DTYPES) if d != "float32")]
USUAL.append(("float32", "float64"))  # logits, targets; the other pairs take as long to compile again
SIZES = pytest.mark.parametrize("classes", [2, 17, 100, 2 * TILE + 5])


def soft_rows(rng: np.random.Generator, n: int, classes: int, q_dtype: str) -> np.ndarray:
    """Probability rows of a dtype, with zeros in them."""
    q = rng.dirichlet(np.full(classes, 0.3), n)
    return np.where(rng.random((n, classes)) < 0.2, 0.0, q).astype(DTYPES[q_dtype])


def law(call: Any, draw: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row by itself, and among others in any layout, on any number of threads: the same bits."""
    rng = np.random.default_rng(draw["seed"])
    classes = draw["classes"]
    n = max(1, min(draw["rows"], MOST // classes // 2))
    logits = rng.standard_normal((n, classes)) * rng.choice([0.1, 3.0, 40.0, 400.0], (n, 1))
    dtype, q_dtype = draw["dtypes"]
    logits = logits.astype(DTYPES[dtype])
    q = soft_rows(rng, n, classes, q_dtype)
    kind = rng.choice(["soft", "soft", "nothing", "one-hot", "huge"], n)
    q[kind == "nothing"] = 0
    q[kind == "one-hot"] = 0
    q[kind == "one-hot", rng.integers(classes)] = 1
    if q_dtype != "float16":
        q[kind == "huge"] *= DTYPES[q_dtype].type(2.0**40)
    options = {"label_smoothing": draw["smoothing"], "lse_square_scale": draw["z"]}
    alone = [call(logits[i : i + 1].copy(), q[i : i + 1].copy(), threads=1, **options) for i in range(n)]

    order = rng.permutation(n)[: rng.integers(1, n + 1)] if draw["shuffled"] else np.arange(n)
    source, source_buffer = placed(logits[order], draw["layout"], draw["offset"])
    targets, _ = placed(q[order], draw["q_layout"], draw["q_offset"])
    out, buffer = source, source_buffer
    if not draw["in_place"]:
        out, buffer = placed(np.zeros_like(logits[order]), draw["out_layout"], draw["out_offset"])
    before = buffer.copy()
    with monkeypatch.context() as patch:
        patch.setattr(launch, "SERIAL", 1)
        if draw["past"]:
            patch.setattr(fast, "PAST_THE_CACHE", 0)
            patch.setattr(fast, "LONG_ENOUGH", 0)
        losses, grad = call(source, targets, threads=draw["threads"], out=out, **options)
        read_only, _ = placed(logits[order], draw["layout"], draw["offset"])
        loss_alone = xent.cross_entropy(read_only, targets, reduction="none", threads=draw["threads"], **options)
    assert untouched(before, buffer, out)
    for place, i in enumerate(order.tolist()):
        assert_same(losses[place : place + 1], alone[i][0], f"loss of row {i}")
        assert_same(grad[place : place + 1], alone[i][1], f"gradient of row {i}")
    assert_same(np.asarray(loss_alone), losses, "losses without a gradient")


draws = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "classes": st.sampled_from([v for v in CLASSES if v > 1]),
        "rows": st.sampled_from([1, 2, 3, 7, 16, 33, 128, 257, 4097]),
        "dtypes": st.sampled_from(USUAL),
        **{name: st.sampled_from(LAYOUTS[:-1]) for name in ("layout", "q_layout", "out_layout")},
        **{name: st.integers(0, 63) for name in ("offset", "q_offset", "out_offset")},
        "threads": st.integers(1, 16),
        "in_place": st.booleans(),
        "shuffled": st.booleans(),
        "past": st.booleans(),
        "smoothing": st.sampled_from([0.0, 0.0, 0.1, 1.0]),
        "z": st.sampled_from([0.0, 0.0, 1e-3]),
    }
)


def search(call: Any, monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    """Try the law on so many draws, the same every time."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(draw=draws)
    def tried(draw: dict[str, Any]) -> None:
        law(call, draw, monkeypatch)

    tried()


def test_the_bits_of_a_probability_row_depend_on_the_row_alone(monkeypatch):
    search(kernels, monkeypatch, 40)


@pytest.mark.slow
def test_the_bits_of_a_probability_row_depend_on_the_row_alone_in_a_long_search(monkeypatch):
    search(kernels, monkeypatch, 2000)


def test_the_law_fails_a_mutant(monkeypatch):
    with pytest.raises(AssertionError, match="loss of row"):
        search(last_row_differs, monkeypatch, 60)


def checked(logits: np.ndarray, q: np.ndarray, chosen: Options = PLAIN) -> None:
    """Every row, which must be one for this kernel, within its bounds."""
    options = {"label_smoothing": chosen.label_smoothing, "lse_square_scale": chosen.lse_square_scale}
    assert xent.plan(logits, q, **options).kernel == "soft"
    losses, grad = xent.value_and_grad(logits, q, reduction="none", **options)
    for i in range(len(logits)):
        row = slice(i, i + 1)
        with np.errstate(all="ignore"):
            found = bounds.check(logits[row], q[row], np.asarray(losses)[row], grad[row], chosen)
        assert found.ok, f"row {i}: {found}"


OPTIONS = [PLAIN, Options(label_smoothing=0.1), Options(label_smoothing=1.0), Options(lse_square_scale=1e-3)]
options = pytest.mark.parametrize("chosen", OPTIONS, ids=["plain", "smooth", "all smooth", "z"])


def pairs_are_within_their_bounds(pairs: list[tuple[str, str]], chosen: Options) -> None:
    """Logits of one dtype, targets of another."""
    rng = np.random.default_rng(1)
    for dtype, q_dtype in pairs:
        for classes in (2, 19, 300):
            logits = rng.standard_normal((6, classes)) * rng.choice([0.5, 5.0, 90.0], (6, 1))
            q = soft_rows(rng, 6, classes, q_dtype) + DTYPES[q_dtype].type(1e-3)
            checked(logits.astype(DTYPES[dtype]), q, chosen)


@options
def test_the_usual_pairs_of_dtypes_are_within_their_bounds(chosen):
    pairs_are_within_their_bounds(USUAL, chosen)


@pytest.mark.slow
def test_every_pair_of_dtypes_is_within_its_bounds():
    every_pair = [(dtype, q_dtype) for dtype in sorted(DTYPES) for q_dtype in sorted(DTYPES)]
    pairs_are_within_their_bounds(every_pair, PLAIN)


@every
@SIZES
@options
def test_rows_sure_of_a_class_that_has_nearly_all_of_the_target_or_none(dtype, classes, chosen):
    rng = np.random.default_rng(2)
    rows, q = [], []
    for nats in (12.0, 20.0, 40.0, 103.0):
        x = rng.standard_normal(classes)
        x[classes // 2] = x.max() + nats
        for at_top in (1.0, 1e-3):
            rows.append(x)
            q.append(np.where(np.arange(classes) == classes // 2, at_top, 1e-6))
    checked(np.array(rows).astype(DTYPES[dtype]), np.array(q).astype(np.float32), chosen)


def test_the_gradient_at_a_sure_maximum_keeps_its_sign_and_its_digits():
    for dtype in ("float32", "float64"):
        _, grad = xent.value_and_grad(np.array([[40.0, 0.0]], dtype), np.array([[1.0, 1e-17]]), reduction="sum")
        np.testing.assert_allclose(grad, [[1e-17 - math.exp(-40), math.exp(-40) - 1e-17]], rtol=1e-6)
        _, grad = xent.value_and_grad(np.array([[50.0, 0.0]], dtype), np.array([[1.0, 1e-17]]), reduction="sum")
        np.testing.assert_allclose(grad[0, 0], 1e-17 - math.exp(-50), rtol=1e-6)


@every
@pytest.mark.parametrize("size", [2.0**-50, 1e-6, 1.0, 3e4, 2.0**29])
@options
def test_rows_whose_sum_is_not_one(dtype, size, chosen):
    rng = np.random.default_rng(3)
    logits = (rng.standard_normal((4, 40)) * 3).astype(DTYPES[dtype])
    q = rng.dirichlet(np.ones(40), 4) * size
    checked(logits, q.astype(np.float64 if dtype == "float64" else np.float32), chosen)


@every
def test_rows_of_an_unusual_sum_go_the_general_way_and_are_within_their_bounds(dtype):
    q = np.full((3, 4), 0.25) * np.array([[2.0**-701], [1.0], [2.0**701]])
    found = xent.plan(np.zeros((3, 4), DTYPES[dtype]), q)
    assert f"rows: {GENERAL.why}" in str(found)
    losses, _ = xent.value_and_grad(np.zeros((3, 4)), q, reduction="none")
    np.testing.assert_allclose(losses, q.sum(1) * math.log(4), rtol=1e-15)


def test_targets_far_below_float32_keep_their_loss():
    """Sums of 2**-50, entries of 1e-60 beside them: nothing is lost where a target is rounded to float32."""
    q = np.array([[2.0**-50, 1e-60, 0.0, 1e-44], [1e-44, 1.0, 1e-60, 0.0]])
    logits = np.array([[3.0, 1.0, -2.0, 0.0], [-np.inf, 90.0, 0.0, -np.inf]], np.float32)
    checked(logits[:1], q[:1])
    losses, grad = xent.value_and_grad(logits, q, reduction="none")
    assert losses[1] == np.inf
    assert np.isfinite(grad.astype(np.float64)).all()


@every
@SIZES
def test_a_target_of_zero_takes_away_an_infinite_loss_and_any_other_does_not(dtype, classes):
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((3, classes)).astype(DTYPES[dtype])
    q = rng.dirichlet(np.ones(classes), 3).astype(np.float32) + np.float32(1e-3)
    logits[:, 0] = -np.inf
    q[0, 0] = 0
    losses, grad = xent.value_and_grad(logits, q, reduction="none")
    assert np.isfinite(losses[0])
    assert (losses[1:] == np.inf).all()
    assert np.isfinite(grad.astype(np.float64)).all()
    np.testing.assert_array_equal(grad[1:, 0].astype(np.float32), (-q[1:, 0]).astype(DTYPES[dtype]).astype(np.float32))
    smooth = xent.cross_entropy(logits, q, reduction="none", label_smoothing=1.0)
    assert (smooth == np.inf).all()
    if classes > 2:
        checked(logits[:1], q[:1])


@every
@SIZES
def test_not_a_number_and_infinities_make_their_row_nan_and_no_other(dtype, classes):
    rng = np.random.default_rng(5)
    logits = rng.standard_normal((9, classes)).astype(DTYPES[dtype])
    q = soft_rows(rng, 9, classes, "float32") + np.float32(1e-3)
    clean = xent.value_and_grad(logits[1::2].copy(), q[1::2].copy(), reduction="none")
    logits[0, classes // 2], logits[2, -1], logits[4], logits[6] = np.nan, np.inf, -np.inf, -np.nan
    logits[8, 0] = np.copysign(np.array(np.nan, DTYPES[dtype]), -1)
    losses, grad = xent.value_and_grad(logits, q, reduction="none")
    assert np.isnan(losses[::2]).all()
    assert np.isnan(grad[::2].astype(np.float64)).all()
    assert_same(losses[1::2], clean[0], "losses")
    assert_same(grad[1::2], clean[1], "gradient")


def test_a_loss_beyond_float32_is_there_in_the_total():
    most = float(np.finfo(np.float32).max)
    logits, q = np.array([[most, -most, 0.0]], np.float32), np.array([[0.25, 0.75, 0.5]])
    assert xent.cross_entropy(logits, q, reduction="sum") == np.inf
    assert xent.total(logits, q).sum == pytest.approx(2 * most, rel=1e-15)
    assert xent.total(logits, q, label_smoothing=0.5).sum == pytest.approx(1.75 * most, rel=1e-15)
    checked(logits / 8, q)


@of_targets
def test_what_targets_weigh(q_dtype):
    rng = np.random.default_rng(6)
    for classes in (1, 2, 15, 16, 17, 100, 1000):
        q = (rng.random((5, classes)) * 10.0 ** rng.integers(-4, 4, (5, 1))).astype(DTYPES[q_dtype])
        weight = rng.random(classes)
        (_, mass, _, row_weight), bad, _ = launch.weigh(q, 5, weight, 0.0, 1)
        assert bad == 0
        for i, row in enumerate(q.astype(np.float64).tolist()):
            assert mass[i] == pytest.approx(math.fsum(row), rel=3e-16)
            assert row_weight[i] == pytest.approx(math.fsum(w * p for w, p in zip(weight, row, strict=True)))


@pytest.mark.parametrize("q_dtype", ["bfloat16", "float32", "float64"])
def test_a_sum_of_targets_of_all_sizes_in_any_order_is_good_to_the_last_bits(q_dtype):
    rng = np.random.default_rng(7)
    for classes in (3, 40, 1000, 9001):
        rising = np.sort(10.0 ** rng.uniform(-30, 3, classes))
        few = np.where(rng.random(classes) < 0.01, 1.0, 1e-17)
        q = np.array([rising, rising[::-1], rng.permutation(rising), few, np.full(classes, 0.1)]).astype(
            DTYPES[q_dtype]
        )
        (_, mass, _, _), _, _ = launch.weigh(q, 5, np.empty(0), 0.0, 1)
        wanted = [math.fsum(row) for row in q.astype(np.float64).tolist()]
        assert (np.abs(mass - wanted) <= 2 * np.spacing(wanted)).all()


@pytest.mark.parametrize("q_dtype", ["float32", "float64"])
def test_targets_whose_sum_is_beyond_their_dtype_are_not_bad(q_dtype):
    q = np.full((1, 40), np.finfo(q_dtype).max / 2, q_dtype)
    (_, mass, _, _), bad, _ = launch.weigh(q, 1, np.empty(0), 0.0, 1)
    assert bad == 0
    with np.errstate(over="ignore"):
        assert mass[0] == q.astype(np.float64).sum()  # infinite for float64


@of_targets
def test_a_row_with_one_target_is_that_class(q_dtype):
    for classes in (1, 2, 3, 16, 31, 130):
        q = np.zeros((classes, classes), DTYPES[q_dtype])
        q[:] = -0.0
        np.fill_diagonal(q, 0.5)
        (index, mass, factor, _), bad, _ = launch.weigh(q, classes, np.empty(0), 0.0, 1)
        assert bad == 0
        assert index.tolist() == list(range(classes))
        assert factor.tolist() == mass.tolist() == [0.5] * classes


@of_targets
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("layout", ["C", "F", "sliced"])
def test_the_first_bad_target_is_named_whoever_finds_it(q_dtype, threads, layout, monkeypatch):
    monkeypatch.setattr(launch, "SERIAL", 1)
    source = np.full((40, 33), 0.5, DTYPES[q_dtype])
    source[9, 32], source[9, 31], source[30, 0], source[31, 5] = np.nan, -1.0, np.inf, -1e-4
    q, _ = placed(source, layout, 0)
    with pytest.raises(xent.TargetError, match=r"^4 .* targets\[9, 31\] = -1"):
        xent.cross_entropy(np.zeros((40, 33), np.float32), q, threads=threads)
