"""What of a long batch is drawn: the first items and the last, the classes that matter, and how the batch is cut."""

import math
import numbers
from collections.abc import Iterable, Sequence
from itertools import accumulate

from xent.core import errors
from xent.core.spec import check_whole

CUT = "a whole number >= 1, or the sizes of the parts"
PARTS = 4  # micro-batches or ranks that are drawn; of more, the first three and the last


def ends_of(count: int, most: int) -> tuple[int, ...]:
    """The first `most` - 1 of a range and the last, or all of it.

    >>> ends_of(3, 4), ends_of(9, 4), ends_of(9, 1)
    ((0, 1, 2), (0, 1, 2, 8), (0,))
    """
    if count <= most:
        return tuple(range(count))
    return (*range(most - 1), count - 1) if most > 1 else (0,)


def classes_of(logits: Sequence[float], q: Sequence[float], most: int) -> tuple[int, ...]:
    """The classes drawn of one item: its target's, those of the largest logits, the first ones and the last.

    >>> classes_of([0.0, 1.0, 5.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0], 4)
    (0, 2, 4, 5)
    """
    count = len(logits)
    if count <= most:
        return tuple(range(count))
    values = [-math.inf if math.isnan(x) else x for x in logits]
    likely = sorted(range(count), key=lambda j: (-q[j], -values[j], j))
    first = [j for j in likely if q[j]][:1]
    top = max(range(count), key=values.__getitem__)
    chosen: dict[int, None] = {}
    for j in [*first, top, 0, count - 1, *likely]:
        if len(chosen) < most:
            chosen[j] = None
    return tuple(sorted(chosen))


def cut(count: int, micro_batches: object, ranks: object) -> tuple[str, list[tuple[int, int]]]:
    """The kind of the parts and where each begins and ends; ("", [the whole]) where the batch is not cut.

    OptionError, KindError for what is no cut of `count` items.

    >>> cut(5, 2, None), cut(3, None, [1, 2])
    (('micro-batch', [(0, 3), (3, 5)]), ('rank', [(0, 1), (1, 3)]))
    """
    if micro_batches is not None and ranks is not None:
        raise errors.OptionError(
            "micro_batches and ranks are both given: a drawing shows one cut of the batch.\n  Drop one of them."
        )
    if micro_batches is None and ranks is None:
        return "", [(0, count)]
    name, came = ("ranks", ranks) if micro_batches is None else ("micro_batches", micro_batches)
    sizes = _sizes(name, came, count)
    ends = list(accumulate(sizes))
    if ends[-1] != count:
        raise errors.bad_option(name, came, f"parts that together have the {count} items of the batch")
    starts = [0, *ends[:-1]]
    return name.removesuffix("s").removesuffix("e").replace("_", "-"), list(zip(starts, ends, strict=True))


def _sizes(name: str, came: object, count: int) -> list[int]:
    """How many items each part has."""
    if isinstance(came, numbers.Integral):
        parts = check_whole(name, came, CUT)
        if not 1 <= parts <= max(count, 1):
            raise errors.bad_option(name, came, f"in [1, {max(count, 1)}], or the sizes of the parts")
        return [count // parts + (k < count % parts) for k in range(parts)]
    if isinstance(came, str) or not isinstance(came, Iterable):
        raise errors.bad_kind(name, came, CUT)
    sizes = [check_whole(f"{name}[{k}]", size, "a whole number >= 0") for k, size in enumerate(came)]
    if not sizes or min(sizes) < 0:
        raise errors.bad_option(name, came, CUT)
    return sizes
