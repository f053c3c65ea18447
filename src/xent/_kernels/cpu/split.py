"""Few rows of very many classes: one row after the other, its tiles shared by all threads.

Each row takes two rounds of the threads, states and gradient, with the row's end between them; waking a thread takes as
long as tens of thousands of logits, so a row has to be long for this to be worth it.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xent._kernels.cpu import fast, threads
from xent._kernels.cpu.jit import Function, array, compiled
from xent._kernels.cpu.rows import SKIPPED
from xent._kernels.cpu.select import TILE

Array = NDArray[Any]
Doubles = NDArray[np.float64]
WAKING = 2**18  # classes that one thread is done with while others are woken twice: 130 microseconds


def worth_it(kernel: str, rows: int, classes: int, count: int) -> bool:
    """Whether so many rows are done sooner one after the other, each by `count` threads, than each by one thread.

    >>> [worth_it("long", 1, 2**20, count) for count in (1, 2, 16)], worth_it("long", 8, 2**20, 16)
    ([False, True, True], False)
    """
    return kernel == "long" and rows < count and rows * (classes / count + WAKING) < classes


def run(
    name: str,
    logits: Array,
    index: NDArray[np.int64],
    factor: Doubles,
    scale: Doubles,
    smoothing: float,
    z_scale: float,
    losses: Doubles,
    z_losses: Doubles,
    grad: Array,
    *,
    whole: int,
    count: int,
) -> None:
    """What `fast.run` does with the kernel "long", by `count` threads: the same bits."""
    logits, grad = fast.as_whole(name, logits, grad)
    past = fast.past_the_cache(whole, logits.shape[1])
    for i, t in enumerate(index.tolist()):
        if t == SKIPPED:
            losses[i], z_losses[i] = 0.0, 0.0
            grad[i : i + 1] = 0
            continue
        weights = (float(factor[i]) if factor.size else 1.0, float(scale[i]), smoothing, z_scale)
        losses[i], z_losses[i] = _row(name, logits[i], t, weights, grad[i : i + 1].reshape(-1), past, count)


def _row(
    name: str, x: Array, t: int, weights: tuple[float, ...], grad: Array, past: bool, count: int
) -> tuple[float, float]:
    """Loss and z-loss of a row x (V,); its gradient into grad (V,), or (0,)."""
    from xent._kernels.cpu.long import BASE, FIELDS, SHIFT

    states, end, gradient = _compiled(name)
    tiles = -(-x.size // TILE)
    count = min(count, tiles)
    cuts = [(tiles * k // count, tiles * (k + 1) // count) for k in range(count)]
    room = np.dtype(np.float64 if name == "float64" else np.float32)
    terms = fast.room_for_terms(room.name, x.size) if grad.size else np.empty(0, room)
    copies = [np.empty(TILE, room) for _ in cuts]
    parts = [np.empty((FIELDS, hi - lo + (lo > 0))) for lo, hi in cuts]

    def first_round(k: int, known: bool) -> None:
        states(x, cuts[k][0], known, weights[2], grad.size > 0, terms, copies[k], parts[k])

    threads.run(first_round, [(k, False) for k in range(len(cuts))])
    for k in range(1, len(cuts)):
        before = parts[k - 1][[BASE, SHIFT], -1]
        if (parts[k][[BASE, SHIFT], 0] != before).any():  # a wrong guess
            parts[k][[BASE, SHIFT], 0] = before
            first_round(k, known=True)
    s = np.concatenate([parts[0], *(part[:, 1:] for part in parts[1:])], axis=1)
    loss, z_loss, *ends = end(x, t, s, *weights, copies[0])
    if grad.size:
        threads.run(lambda lo, hi: gradient(terms, grad, lo, hi, s, t, *ends, past), cuts)
    return loss, z_loss


@cache
def _compiled(name: str) -> tuple[Function, Function, Function]:
    """The three functions of `tiles` for logits of a dtype."""
    from xent._kernels.cpu import tiles

    source, room = fast.AS_WHOLE.get(name, name), "float64" if name == "float64" else "float32"
    x, line, out = array(source, 1), array(room, 1, written=True), array(source, 1, written=True)
    fields, number = array("float64", 2, written=True), "float64"
    return (
        compiled(tiles.states, x, "int64", "boolean", number, "boolean", line, line, fields),
        compiled(tiles.end, x, "int64", fields, number, number, number, number, line),
        compiled(
            *(tiles.gradient, line, out, "int64", "int64", fields, "int64"),
            *(number, number, number, "int64", "boolean", "boolean"),
        ),
    )
