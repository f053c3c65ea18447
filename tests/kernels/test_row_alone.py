"""A row's bits depend on the row alone: not on neighbours, threads, layout, alignment, or where the gradient goes.

Each row is computed by itself first; then many rows in some other way, which must give the same bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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


def kernels(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Losses, and the gradient of their sum."""
    losses, grad = xent.value_and_grad(logits, targets, reduction="none", **options)
    return np.asarray(losses), grad


def law(call: Call, draw: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The law, of one way to call."""
    rng = np.random.default_rng(draw["seed"])
    classes = draw["classes"]
    n = max(1, min(draw["rows"], MOST // classes))
    logits = (rng.standard_normal((n, classes)) * rng.choice([0.1, 3.0, 40.0, 400.0], (n, 1))).astype(
        DTYPES[draw["dtype"]]
    )
    targets = np.where(rng.random(n) < 0.2, -100, rng.integers(0, classes, n))
    options = {"label_smoothing": draw["smoothing"], "lse_square_scale": draw["z"]}
    if draw["layout"] == "zero stride":
        logits[:] = logits[:1]
    alone = [call(logits[i : i + 1].copy(), targets[i : i + 1], threads=1, **options) for i in range(n)]

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
        losses, grad = call(source, targets[order], threads=draw["threads"], out=out, **options)
        read_only, _ = placed(logits[order], draw["layout"], draw["offset"])
        loss_alone = xent.cross_entropy(read_only, targets[order], reduction="none", threads=draw["threads"], **options)
    assert untouched(before, buffer, out)
    for place, i in enumerate(order.tolist()):
        assert_same(losses[place : place + 1], alone[i][0], f"loss of row {i}")
        assert_same(grad[place : place + 1], alone[i][1], f"gradient of row {i}")
    assert_same(np.asarray(loss_alone), losses, "losses without a gradient")


draws = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
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


def last_row_differs(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: the last of several rows, as from a loop's remainder, has other last bits."""
    losses, grad = kernels(logits, targets, **options)
    if len(losses) > 1 and losses[-1]:
        losses[-1] = np.nextafter(losses[-1], np.inf)
    return losses, grad


def depends_on_alignment(logits: np.ndarray, targets: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """A mutant: last bits of the gradient depend on where out lies."""
    losses, grad = kernels(logits, targets, **options)
    if options.get("out") is not None and grad.__array_interface__["data"][0] % 64 and grad[-1, 0]:
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
    [(last_row_differs, "loss of row"), (depends_on_alignment, "gradient of row"), (writes_beyond, "untouched")],
)
def test_the_law_fails_a_mutant(mutant, what, monkeypatch):
    with pytest.raises(AssertionError, match=what):
        search(mutant, monkeypatch, 60, (Phase.explicit, Phase.generate))
