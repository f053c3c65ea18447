"""A row's bits depend on the row alone: not on neighbours, threads, layout, alignment, or where the gradient goes.

Each row is computed by itself first; then many rows in some other way, which must give the same bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

import xent
from tests.accuracy.ulp import DTYPES
from tests.laws.bits import assert_same
from xent._kernels.cpu import fast, jit, launch

CLASSES = [1, 15, 16, 17, 23, 24, 25, 31, 32, 33, 63, 64, 65, 127, 128, 129, 2047, 2048, 2049, 4095, 4097]
LAYOUTS = ["C", "F", "sliced", "reversed", "rows reversed", "zero stride"]
MOST = 2**15 if jit.numba_or_none() is not None else 2**12  # logits of a batch
GUARD = 64  # bytes around a buffer, which nobody may touch
Call = Callable[..., tuple[np.ndarray, np.ndarray]]


def placed(source: np.ndarray, layout: str, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """A copy of (N, V) in a layout, `offset` bytes after a multiple of 64; and the whole buffer, sentinels included."""
    n, classes = source.shape
    shape = {"F": (classes, n), "sliced": (2 * n, 2 * classes), "zero stride": (1, classes)}.get(layout, (n, classes))
    size = int(np.prod(shape)) * source.itemsize
    buffer = np.full(size + 4 * GUARD, 0xA5, np.uint8)
    start = -buffer.ctypes.data % GUARD + GUARD + offset
    inside = np.ndarray(shape, source.dtype, buffer, start)
    view = {
        "F": lambda: inside.T,
        "sliced": lambda: inside[::2, 1::2],
        "reversed": lambda: inside[:, ::-1],
        "rows reversed": lambda: inside[::-1],
        "zero stride": lambda: np.broadcast_to(inside, (n, classes)),
    }.get(layout, lambda: inside)()
    if layout == "zero stride":
        inside[:] = source[:1]
    else:
        view[:] = source
    return view, buffer


def untouched(before: np.ndarray, after: np.ndarray, view: np.ndarray) -> bool:
    """Whether a buffer changed nowhere but in the elements of a view."""
    changed = np.flatnonzero(before != after)
    start = view.__array_interface__["data"][0] - after.ctypes.data
    places = start + np.add.outer(*(np.arange(n) * s for n, s in zip(view.shape, view.strides, strict=True)))
    own = (places.reshape(-1, 1) + np.arange(view.itemsize)).reshape(-1)
    return bool(np.isin(changed, own).all())


def kernels(
    logits: np.ndarray, targets: np.ndarray, *, loss_only: bool = False, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Losses, and the gradient of their sum; or the losses and nothing."""
    if loss_only:
        return np.asarray(xent.cross_entropy(logits, targets, reduction="none", **options)), np.empty(0)
    losses, grad = xent.value_and_grad(logits, targets, reduction="none", **options)
    return np.asarray(losses), grad


def options_of(draw: dict[str, Any], rng: np.random.Generator, n: int) -> tuple[dict[str, Any], np.ndarray]:
    """Options that hold for all rows, and what rows are multiplied by."""
    options: dict[str, Any] = {"label_smoothing": draw["smoothing"], "lse_square_scale": draw["z"]}
    if draw["kind"] == "softcap":
        options["softcap"] = 15.0
    if draw["kind"] in {"weights", "probabilities"}:
        options["weight"] = rng.choice([0.0, 0.3, 1.0], draw["classes"])
    return options, rng.choice([0.0, 0.7, 1.0, 3.0], n)


def law(call: Call, draw: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The law, of one way to call."""
    rng = np.random.default_rng(draw["seed"])
    classes = draw["classes"]
    n = max(1, min(draw["rows"], MOST // classes))
    logits = (rng.standard_normal((n, classes)) * rng.choice([0.1, 3.0, 40.0, 400.0], (n, 1))).astype(
        DTYPES[draw["dtype"]]
    )
    targets: np.ndarray = np.where(rng.random(n) < 0.2, -100, rng.integers(0, classes, n))
    if draw["kind"] == "probabilities":
        targets = rng.dirichlet(np.ones(classes), n) * rng.choice([0.0, 1.0, 1.0, 2.0], (n, 1))
        targets[rng.random(n) < 0.3] = np.eye(classes)[rng.integers(classes)]
    options, weights = options_of(draw, rng, n)
    if draw["layout"] == "zero stride":
        logits[:] = logits[:1]

    def of_rows(rows: Any) -> dict[str, Any]:
        return options | ({"sample_weight": weights[rows]} if draw["kind"] == "weights" else {})

    each = [slice(i, i + 1) for i in range(n)]
    alone = [call(logits[i].copy(), targets[i], threads=1, **of_rows(i)) for i in each]

    order = rng.permutation(n)[: rng.integers(1, n + 1)] if draw["shuffled"] else np.arange(n)
    source, source_buffer = placed(logits[order], draw["layout"], draw["offset"])
    out, buffer = source, source_buffer
    if not draw["in_place"] or draw["layout"] == "zero stride":
        out, buffer = placed(np.zeros_like(logits[order]), draw["out_layout"], draw["out_offset"])
    before = buffer.copy()
    with monkeypatch.context() as patch:
        patch.setattr(launch, "SERIAL", 1)
        if draw["past"]:
            patch.setattr(fast, "PAST_THE_CACHE", 0)
            patch.setattr(fast, "LONG_ENOUGH", 0)
        losses, grad = call(source, targets[order], threads=draw["threads"], out=out, **of_rows(order))
        again, _ = placed(logits[order], draw["layout"], draw["offset"])
        loss_alone, _ = call(again, targets[order], threads=draw["threads"], loss_only=True, **of_rows(order))
        assert untouched(before, buffer, out)
        if draw["kind"] == "indices" and draw["z"] == 0.0:
            the_short_way_is_the_long_way(call, again, targets[order], options)
    for place, i in enumerate(order.tolist()):
        assert_same(losses[place : place + 1], alone[i][0], f"loss of row {i}")
        assert_same(grad[place : place + 1], alone[i][1], f"gradient of row {i}")
    assert_same(loss_alone, losses, "losses without a gradient")


def the_short_way_is_the_long_way(call: Call, logits: np.ndarray, targets: np.ndarray, options: dict[str, Any]) -> None:
    """A plain mean, for which there are short ways, has the gradient of a sum that is scaled by 1/N."""
    smoothing, count = options["label_smoothing"], np.count_nonzero(targets != -100)
    if count:
        _, plain = xent.value_and_grad(logits, targets, label_smoothing=smoothing)
        _, scaled = call(logits, targets, label_smoothing=smoothing, grad_scale=1.0 / count)
        assert_same(plain, scaled, "gradient of a plain mean")


draws = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "kind": st.sampled_from(["indices"] * 5 + ["weights", "softcap", "probabilities"]),
        "classes": st.sampled_from(CLASSES),
        "rows": st.sampled_from([1, 2, 3, 7, 15, 16, 17, 33, 63, 64, 127, 128, 129, 257, 8192, 8193]),
        "dtype": st.sampled_from(sorted(DTYPES)),
        "layout": st.sampled_from(LAYOUTS),
        "out_layout": st.sampled_from(LAYOUTS[:-1]),
        "offset": st.integers(0, 63),
        "out_offset": st.integers(0, 63),
        "threads": st.integers(1, 16),
        "in_place": st.booleans(),
        "shuffled": st.booleans(),
        "past": st.booleans(),
        "smoothing": st.sampled_from([0.0, 0.0, 0.1]),
        "z": st.sampled_from([0.0, 0.0, 1e-3]),
    }
)


def search(call: Call, monkeypatch: pytest.MonkeyPatch, examples: int, phases: tuple[Phase, ...]) -> None:
    """Try the law on so many draws, the same every time."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(draw=draws)
    def tried(draw: dict[str, Any]) -> None:
        law(call, draw, monkeypatch)

    tried()


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("classes", [31, 600, 1000, 2047, 4173])
def test_a_gradient_past_the_cache_changes_no_bit_where_classes_are_no_multiple_of_the_lanes(
    dtype, classes, monkeypatch
):
    n = min(40, 2**17 // classes)
    logits = (np.random.default_rng(classes).standard_normal((n, classes)) * 3).astype(DTYPES[dtype])
    targets = np.arange(n) % classes
    losses, grad = kernels(logits, targets)
    monkeypatch.setattr(fast, "PAST_THE_CACHE", 0)
    monkeypatch.setattr(fast, "LONG_ENOUGH", 0)
    past_losses, past_grad = kernels(logits, targets)
    assert_same(past_losses, losses, "losses")
    assert_same(past_grad, grad, "gradient")


When = Callable[[np.ndarray, dict[str, Any]], bool]


def nudged(when: When) -> Call:
    """A mutant: where that holds for logits and options, losses have other last bits."""

    def call(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        place = when(logits, options)  # before anything is written
        losses, grad = kernels(logits, targets, **options)
        return (np.nextafter(losses, losses.dtype.type(np.inf)) if place else losses), grad

    return call


def address(array: np.ndarray) -> int:
    """Of the first element, modulo 64."""
    return int(array.__array_interface__["data"][0]) % 64


DEPENDS_ON: dict[str, When] = {
    "threads": lambda x, options: options.get("threads", 1) > 8,
    "Fortran order": lambda x, _: x.flags.f_contiguous and not x.flags.c_contiguous,
    "slicing": lambda x, _: x.strides[1] == 2 * x.itemsize,
    "classes reversed": lambda x, _: x.strides[1] < 0,
    "rows reversed": lambda x, _: x.strides[0] < 0,
    "a stride of zero": lambda x, _: x.strides[0] == 0 and len(x) > 1,
    "alignment": lambda x, _: address(x) % x.itemsize > 0,
    "cache lines": lambda x, _: address(x) % x.itemsize == 0 and address(x) > 40,
    "writing in place": lambda x, options: options.get("out") is x,
    "writing elsewhere": lambda x, options: options.get("out") is not None and options["out"] is not x,
    "writing nothing": lambda x, options: options.get("loss_only", False),
    "many rows": lambda x, _: len(x) > 128,
    "few rows": lambda x, options: 1 < len(x) < 9,
    "past the cache": lambda x, _: fast.PAST_THE_CACHE == 0,
}


def last_row_differs(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: the last of several rows, as from a loop's remainder, has other last bits."""
    losses, grad = kernels(logits, targets, **options)
    if len(losses) > 1 and losses[-1]:
        losses[-1] = np.nextafter(losses[-1], np.inf)
    return losses, grad


def sees_its_neighbour(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: a row after one of larger loss has another last bit, so that the order of rows matters."""
    losses, grad = kernels(logits, targets, **options)
    after = np.flatnonzero(losses[1:] < losses[:-1]) + 1
    losses[after] = np.nextafter(losses[after], np.inf)
    return losses, grad


def gradient_by_alignment(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: last bits of the gradient depend on where out lies."""
    losses, grad = kernels(logits, targets, **options)
    if options.get("out") is not None and address(grad) and grad[-1, 0]:
        grad[-1, 0] = np.nextafter(grad[-1, 0], grad.dtype.type(2))
    return losses, grad


def writes_beyond(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: a byte after the end of out is written."""
    found = kernels(logits, targets, **options)
    out = options.get("out")
    if out is not None and isinstance(out.base, np.ndarray):
        whole = out
        while isinstance(whole.base, np.ndarray):
            whole = whole.base
        whole[-1] ^= 1
    return found


def test_the_bits_of_a_row_depend_on_the_row_alone(monkeypatch):
    search(kernels, monkeypatch, 80, (Phase.explicit, Phase.generate))


@pytest.mark.slow
def test_the_bits_of_a_row_depend_on_the_row_alone_in_a_long_search(monkeypatch):
    search(kernels, monkeypatch, 5000, (Phase.explicit, Phase.generate))


@pytest.mark.parametrize(
    ("mutant", "what"),
    [
        (last_row_differs, "loss of row"),
        (sees_its_neighbour, "loss of row"),
        (gradient_by_alignment, "gradient of row"),
        (writes_beyond, "untouched"),
    ],
)
def test_the_law_fails_a_mutant(mutant, what, monkeypatch):
    with pytest.raises(AssertionError, match=what):
        search(mutant, monkeypatch, 60, (Phase.explicit, Phase.generate))


@pytest.mark.parametrize("what", DEPENDS_ON if jit.numba_or_none() is not None else ["threads", "Fortran order"])
def test_the_law_fails_where_bits_depend_on(what, monkeypatch):
    with pytest.raises((AssertionError, Flaky)) as found:  # flaky: where memory lies is not the same in the next try
        search(nudged(DEPENDS_ON[what]), monkeypatch, 150, (Phase.explicit, Phase.generate))
    first = found.value.exceptions[0] if isinstance(found.value, ExceptionGroup) else found.value
    assert "loss" in str(first)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("rows", "classes"), [(1, 131072), (2, 65537), (3, 40000), (8, 131071)])
def test_few_rows_of_very_many_classes_have_the_same_bits_by_any_number_of_threads(rows, classes, dtype):
    if jit.numba_or_none() is None:
        rows, classes = min(rows, 2), classes // 16
    logits = (np.random.default_rng(rows).standard_normal((rows, classes)) * 4).astype(DTYPES[dtype])
    targets = np.arange(rows) * (classes // rows) + 7
    alone = [kernels(logits[i : i + 1].copy(), targets[i : i + 1], threads=1) for i in range(rows)]
    for threads in (None, 1, 2, 3, 16):
        over = logits.copy()
        losses, grad = kernels(over, targets, threads=threads, out=over)
        loss_alone, _ = kernels(logits, targets, threads=threads, loss_only=True)
        assert_same(loss_alone, losses, f"losses without a gradient, {threads} threads")
        for i in range(rows):
            assert_same(losses[i : i + 1], alone[i][0], f"loss of row {i}, {threads} threads")
            assert_same(grad[i : i + 1], alone[i][1], f"gradient of row {i}, {threads} threads")
