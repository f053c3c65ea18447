"""How the N×V logits are cut so that they, and all copies, stay within `max_bytes`: rows, or tiles computed twice."""

from dataclasses import dataclass

from xent._kernels.cpu import launch
from xent._linear import blas
from xent._linear.door import Problem
from xent._linear.matrix import Rows
from xent.core import errors

DEFAULT = 256 * 2**20  # bytes: beyond it time hardly falls (docs/linear.md)
MOST_ROWS = 1024  # at once: more make the products no faster (docs/linear.md), and fresh memory costs too
CACHE = 8 * 2**20  # bytes of logits that few classes may fill with more rows
LEAST_ROWS = 72  # fewer at once, and computing the logits twice is cheaper (docs/linear.md)
LEAST_ROWS_LOSS = 8  # the same for the loss alone
TILE_ROWS = 4096
PER_ROW, BESIDES = 256, 2**20  # bytes of labels and results; Python's own
SCRATCH = 24  # bytes a class and thread that a row kernel takes
PIECE = 2**20  # bytes of probabilities that a thread converts at once
ROOM = 16 * 2**20  # bytes that a part of a product takes at most before it is added


@dataclass(frozen=True, slots=True)
class Cut:
    """How a call is cut."""

    rows: int  # at once
    classes: int  # at once: V for whole rows
    room: int  # bytes for a part of a product, or of the weight in another dtype
    hidden: int  # rows whose d_hidden is added up in a copy at once; 0: it is added up where it belongs
    tiles: bool = False  # logits are computed twice, tile by tile; else whole rows, once


@dataclass(frozen=True, slots=True)
class Costs:
    """Bytes of what a call needs beside its outputs."""

    item: int  # of a logit
    hidden: int  # a row: hidden copied
    targets: int  # a row: probabilities copied
    d_hidden: int  # a row: its gradient added up in a copy; 0 where that is not needed
    d_weight: int  # a class: the same
    weight: int  # a class: the weight copied
    line: int  # a row of hidden, or of the weight
    fixed: int  # labels, results, vectors, the kernels' scratch


def costs_of(problem: Problem, hidden: Rows, weight: Rows, targets: Rows | None, d_hidden: Rows | None) -> Costs:
    """What a call costs. The arrays as they are read and written; targets None: class indices; d_hidden None: loss."""
    item, classes = problem.work.itemsize, problem.classes
    threads = problem.spec.threads or launch.available()
    vectors = 8 * (problem.batch.class_weight.size > 0)
    if problem.bias is not None:
        vectors += item + problem.bias.itemsize + 8 * (d_hidden is not None)
    fixed = problem.batch.rows * PER_ROW + classes * (vectors + SCRATCH * threads) + BESIDES
    if targets is not None:
        fixed += threads * max(PIECE, 8 * classes) * 2
    line = problem.width * item
    return Costs(
        item=item,
        hidden=hidden.copied,
        targets=0 if targets is None else targets.copied,
        d_hidden=line if d_hidden is not None and not d_hidden.direct else 0,
        d_weight=line if d_hidden is not None and problem.batch.dtype != problem.work else 0,
        weight=weight.copied,
        line=line,
        fixed=fixed,
    )


def cut(problem: Problem, costs: Costs, *, gradient: bool) -> Cut:
    """The fastest cut that keeps to `max_bytes`. OptionError where none does."""
    rows, classes = max(problem.rows, 1), problem.classes
    one = Cut(1, 1, costs.line, 1, tiles=True)
    least = tile_bytes(costs, one)
    limit = max(DEFAULT, least * 2) if problem.max_bytes is None else problem.max_bytes
    if least > limit:
        raise errors.bad_option("max_bytes", problem.max_bytes, f"at least {least} for these arrays")
    left = limit - costs.fixed
    room = room_of(problem, costs, left)
    at_once = rows_at_once(rows, classes, costs, left - room - (room if costs.weight else 0))
    wanted = min(rows, LEAST_ROWS if gradient else LEAST_ROWS_LOSS)
    if gradient and costs.d_weight:
        wanted = rows  # else d_weight would be rounded more than once
    if at_once >= wanted:
        return Cut(even(rows, at_once), classes, room, 0)
    return tiles(rows, classes, costs, left, room) or one


def room_of(problem: Problem, costs: Costs, left: int) -> int:
    """Bytes for parts of products, or of the weight in another dtype; next to nothing where BLAS itself adds up."""
    copies = costs.weight or costs.d_weight or costs.d_hidden
    if not copies and blas.gemm(problem.work.name) is not None:
        return costs.line
    return min(ROOM, max(costs.line, left // 16))


def rows_at_once(rows: int, classes: int, costs: Costs, left: int) -> int:
    """How many whole rows fit."""
    a_row = classes * costs.item + costs.targets + costs.hidden + costs.d_hidden
    most = max(MOST_ROWS, CACHE // (classes * costs.item))
    if costs.d_weight:
        most = rows
    return min(rows, most, max(0, left) // a_row)


def tiles(rows: int, classes: int, costs: Costs, left: int, room: int) -> Cut | None:
    """Rows and classes at once, where whole rows are too large. None: only the smallest tile fits."""
    hidden = 0
    if costs.d_hidden:
        hidden = max(1, min(rows, left // 3 // costs.d_hidden))
    at_once = min(rows, TILE_ROWS)
    while at_once:
        free = left + costs.fixed - tile_bytes(costs, Cut(at_once, 0, room, hidden, tiles=True))
        a_class = at_once * costs.item + costs.weight + costs.d_weight
        found = min(classes, max(0, free) // a_class)
        if found >= min(classes, at_once, 64):
            return Cut(even(rows, at_once), even(classes, found), room, hidden, tiles=True)
        at_once //= 2
    return None


def tile_bytes(costs: Costs, tile: Cut) -> int:
    """What a call takes that is cut this way."""
    a_class = tile.rows * costs.item + costs.weight + costs.d_weight
    return costs.fixed + tile.room + tile.classes * a_class + tile.rows * costs.hidden + tile.hidden * costs.d_hidden


def even(whole: int, most: int) -> int:
    """The size of parts of equal size, none larger than `most`.

    >>> even(1024, 1000), even(7, 7), even(10, 3)
    (512, 7, 3)
    """
    return -(-whole // -(-whole // most))


def ranges(whole: int, step: int) -> list[tuple[int, int]]:
    """(first, after the last) of every part.

    >>> ranges(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(lo, min(lo + step, whole)) for lo in range(0, whole, step)]
