"""What is done to sixteen and more logits at once: maximum, terms and their sums, and the gradient from the terms.

exp(x - maximum) is kept as exp(x - base)·2**bias, base and bias fit for many logits; what remains of the maximum, and
the power of two, are put back with the other factors of a row.
"""

import math
from typing import Any

from xent._kernels.cpu.exp import exp
from xent._kernels.cpu.half import load_float, store_float
from xent._kernels.cpu.jit import by_type, inner
from xent._kernels.cpu.lanes import as_float, dtype_of, sweep, times_plus, where

AHEAD = 4096  # elements by which memory is asked for before it is read

# float32 and below; float64
NEAR = (512.0, 2048.0)  # |maximum| up to which exp takes the logits as they are
REACH = (131.0, 800.0)  # terms below exp(-reach) are 0: nothing that is stored can show them
SCALE = (64.0, 200.0)  # terms are multiplied by 2**scale, so that all but 0 are normal numbers
SPREAD = 12.0  # how far above base·log 2 a maximum may lie before its terms need another base
GUARD = 30  # bits by which a factor is larger while it is multiplied: it may be tiny where terms are large


@sweep("largest")
def largest(x: Any, copy: Any) -> Any:
    """The largest logit of a tile; copy takes the logits as floats where they are halves."""
    found = load_float(x, -math.inf)
    if x.dtype != copy.dtype:
        x.prefetch(AHEAD)
        copy.store(found)
    return found


@sweep("sum", "count")
def fill(x: Any, terms: Any, out: Any, top: Any, least: Any, base: Any, bias: Any) -> Any:
    """exp(x - base)·2**bias into terms, 0 where x < least; the sum of those of x < top, and how many are at the top.

    Memory is asked for where they will be written, out, of the length of x: a store into memory that is not in the
    cache waits until it is read.
    """
    out.prefetch(0, written=True)
    logit = x.load(-math.inf)
    found = term_of(logit, least, base, bias)
    terms.store(found)
    return others(logit, top, found)


@sweep("sum", "count", partial=("old", "out"))
def fill_and_write(
    x: Any, terms: Any, old: Any, out: Any, top: Any, least: Any, base: Any, bias: Any, factor: Any, low: Any
) -> Any:
    """The same; and meanwhile old × (factor + low), what the row before has left, to out, past the cache.

    All is loaded before anything is stored: a load behind a store whose address has the same last 12 bits waits for it.
    """
    x.prefetch(AHEAD)
    logit = x.load(-math.inf)
    before = old.load() if out.present else None
    found = term_of(logit, least, base, bias)
    terms.store(found)
    if out.present:
        store_float(out, carried(before, factor, low), past_the_cache=True)
    return others(logit, top, found)


@sweep("sum", "count", partial=("old", "out"))
def fill_and_copy(x: Any, terms: Any, old: Any, out: Any, top: Any, least: Any, base: Any, bias: Any) -> Any:
    """The same of what is finished already."""
    x.prefetch(AHEAD)
    logit = x.load(-math.inf)
    before = old.load() if out.present else None
    found = term_of(logit, least, base, bias)
    terms.store(found)
    if out.present:
        store_float(out, before, past_the_cache=True)
    return others(logit, top, found)


@sweep("sum", "count")
def add(x: Any, top: Any, least: Any, base: Any, bias: Any) -> Any:
    """The same sums without terms to be kept."""
    x.prefetch(AHEAD)
    logit = x.load(-math.inf)
    return others(logit, top, term_of(logit, least, base, bias))


def term_of(logit: Any, least: Any, base: Any, bias: Any) -> Any:
    """Lanes of exp(x - base)·2**bias; NaN stays NaN."""
    least, base = as_float(least, dtype_of(logit)), as_float(base, dtype_of(logit))
    return where(logit < least, 0.0, exp(logit - base, bias))


def others(logit: Any, top: Any, found: Any) -> Any:
    """Lanes of the terms of x < top; lanes at the top."""
    at_top = logit == as_float(top, dtype_of(logit))
    return where(at_top, 0.0, found), at_top


@sweep("sum")
def gaps(x: Any, top: Any) -> Any:
    """Sum of top - x."""
    logit = x.load(0.0)
    return as_float(top, dtype_of(logit)) - logit


@sweep()
def finish(terms: Any, out: Any, factor: Any, low: Any, unit: Any) -> None:
    """terms × (factor + low) × unit into out, which may be terms."""
    store_float(out, finished(terms.load(), factor, low, unit))


@sweep()
def finish_less(terms: Any, out: Any, factor: Any, low: Any, unit: Any, plus: Any) -> None:
    """The same + plus."""
    term = terms.load()
    store_float(out, finished(term, factor, low, unit) + as_float(plus, dtype_of(term)))


@sweep()
def carry(terms: Any, out: Any, factor: Any, low: Any) -> None:
    """terms × (factor + low) into out."""
    store_float(out, carried(terms.load(), factor, low))


@sweep()
def carry_past(terms: Any, out: Any, factor: Any, low: Any) -> None:
    """The same, past the cache; out begins at a multiple of 64 bytes."""
    store_float(out, carried(terms.load(), factor, low), past_the_cache=True)


def carried(term: Any, factor: Any, low: Any) -> Any:
    """Lanes of term × (factor + low), where the factor is a normal number; low is 0 in float32."""
    dtype = dtype_of(term)
    return times_plus(term, factor, term * low) if dtype == "float64" else term * as_float(factor, dtype)


def finished(term: Any, factor: Any, low: Any, unit: Any) -> Any:
    """Lanes of term × (factor + low) × unit, also where factor × unit is tiny; low is 0 in float32."""
    dtype = dtype_of(term)
    factor, low, unit = factor * 2.0**GUARD, low * 2.0**GUARD, unit * 2.0**-GUARD
    product = term * as_float(factor, dtype)
    if dtype == "float64":
        product = times_plus(term, factor, term * low)
    return product * as_float(unit, dtype)


@inner
def as_they_came(source: Any, _copy: Any) -> Any:
    """The logits themselves."""
    return source


@inner
def as_copied(_source: Any, copy: Any) -> Any:
    """What `largest` made of halves."""
    return copy


def _are_floats(source: Any, copy: Any) -> bool:
    """Whether a kernel works on logits as they came."""
    return bool(source.dtype == copy.dtype)


floats = by_type(_are_floats, as_they_came, as_copied)
