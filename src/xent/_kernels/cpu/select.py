"""Which kernel a call gets, and why, in words. By dtype, classes and options alone: never by the number of rows.

So a row's bits do not depend on the rows beside it.
"""

from functools import lru_cache
from typing import NamedTuple

NARROW_CLASSES = 24  # up to here a vector across rows is faster than one along a row
TILE = 2048  # classes; 8 kB of float32: with its terms a tile stays in the first-level cache


class Choice(NamedTuple):
    """A kernel's name, and the reason."""

    kernel: str  # "narrow", "wide", "long", "soft" or "rows"
    why: str


GENERAL = Choice("rows", "probability rows with class weights, or weights of an unusual size: row by row, in float64")


@lru_cache(1024)  # a small batch takes less time than the sentence
def choose(dtype: str, classes: int, hindrances: tuple[str, ...] = ()) -> Choice:
    """The kernel for class indices and logits of a dtype; `hindrances` are what only the kernel "rows" can do.

    >>> choose("float32", 10)
    Choice(kernel='narrow', why='10 classes: SIMD across the rows, each lane a row')
    >>> choose("float32", 1000).kernel, choose("bfloat16", 131072).kernel
    ('wide', 'long')
    >>> choose("float32", 1000, ("softcap",))
    Choice(kernel='rows', why='softcap: row by row, in float64 inside')
    """
    if hindrances:
        return Choice("rows", f"{', '.join(hindrances)}: row by row, in float64 inside")
    if classes <= NARROW_CLASSES and dtype == "float32":
        return Choice("narrow", f"{classes} classes: SIMD across the rows, each lane a row")
    if classes <= TILE:
        return Choice("wide", f"{classes} classes: SIMD along the row, some rows at a time")
    return Choice("long", f"{classes} classes: SIMD along the row, in tiles of {TILE} that stay in the cache")


def choose_soft(classes: int) -> Choice:
    """The kernel for probability rows that hinder none of the others either.

    >>> choose_soft(1000).why
    'probability rows of 1000 classes: SIMD along the row, the targets read twice'
    """
    return Choice("soft", f"probability rows of {classes} classes: SIMD along the row, the targets read twice")
