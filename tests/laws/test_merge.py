"""Laws of the merge along the classes: any cut, any order and grouping of the pieces gives the same row."""

import math
import random

import numpy as np
from hypothesis import strategies as st

from tests import mutants
from tests.accuracy.batch import Wide, exact_batch
from tests.accuracy.ulp import ulps
from tests.fronts import CORE
from tests.laws.calls import spacing
from tests.laws.registry import law
from tests.reference_core import ReferenceCore

FRONTS = (CORE,)
APART = {"float32": 1.0, "float64": 6.0}  # ULP between any two ways to cut a row


@st.composite
def rows(draw) -> list[float]:
    """Logits whose differences no float64 holds: all magnitudes, sure rows, ties, missing classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([1, 2, 3, 4, 7, 16, 33]))
    kind = draw(st.sampled_from(["normal", "sure", "mixed", "near", "ties", "missing"]))
    x = rng.standard_normal(size)
    if kind == "sure":
        x[rng.integers(size)] += 10.0 ** rng.uniform(0, 2.85)
    elif kind == "mixed":
        x = np.sign(x) * 10.0 ** rng.uniform(-9, 2.5, size)
    elif kind == "near":
        x = 600.0 + rng.uniform(0, 100, size) / 3
    elif kind == "ties":
        x = rng.integers(-1, 2, size) * 0.1
    elif kind == "missing":
        x = np.where(rng.random(size) < 0.5, -np.inf, x)
    return x.tolist()


def cut(xs: list[float], source: random.Random) -> list[list[float]]:
    """Consecutive pieces, some of them empty."""
    edges = sorted(source.randint(0, len(xs)) for _ in range(source.randint(0, 6)))
    return [xs[a:b] for a, b in zip([0, *edges], [*edges, len(xs)], strict=True)]


def joined(front, states: list, source: random.Random):
    """All pieces merged in a random order and grouping."""
    states = list(states)
    while len(states) > 1:
        a = states.pop(source.randrange(len(states)))
        b = states.pop(source.randrange(len(states)))
        states.append(front.merge(a, b))
    return states[0]


@law(mutants.MergeKeepsTheFirstMaximum, fronts=FRONTS, reference=ReferenceCore, xs=rows(), ys=rows())
def test_merging_is_commutative_to_the_bit(front, xs, ys):
    a, b = front.piece(xs), front.piece(ys)
    assert front.merge(a, b) == front.merge(b, a)


@law(mutants.MergeOfNothingIsNan, fronts=FRONTS, reference=ReferenceCore, xs=rows())
def test_the_empty_piece_changes_nothing(front, xs):
    a, nothing = front.piece(xs), front.empty
    assert front.merge(a, nothing) == a
    assert front.merge(nothing, a) == a
    assert front.merge(nothing, nothing) == nothing


@law(
    mutants.MergeWithoutCompensation,
    fronts=FRONTS,
    reference=ReferenceCore,
    share=4,
    xs=rows(),
    seed=st.integers(0, 999),
)
def test_any_cut_of_a_row_gives_the_same_loss(front, xs, seed):
    if max(xs) == -math.inf:
        return
    source = random.Random(seed)  # noqa: S311 -- a test's draws
    whole = front.piece(xs)
    for target in {0, len(xs) // 2, max(range(len(xs)), key=xs.__getitem__)}:
        if xs[target] == -math.inf:
            continue
        exact = Wide.of_numbers(exact_batch(np.array([xs]), np.array([target])).loss)
        losses = [front.nll(whole, xs[target])]
        for _ in range(3):
            state = joined(front, [front.piece(piece) for piece in cut(xs, source)], source)
            assert state.max == whole.max
            losses.append(front.nll(state, xs[target]))
        spread = np.array(losses)
        assert (spread.max() - spread.min()) <= APART["float64"] * max(
            spacing(spread, "float64").max(), len(xs) * 5e-324
        )
        singles = spread.astype(np.float32).astype(np.float64)
        assert singles.max() - singles.min() <= APART["float32"] * spacing(singles, "float32").max()
        assert ulps(spread, exact, "float64").max() <= max(
            3.0 + APART["float64"], len(xs) * (exact.exponent < -1021).max()
        )


@law(mutants.MergeRescalesBoth, fronts=FRONTS, reference=ReferenceCore, share=4, xs=rows(), seed=st.integers(0, 999))
def test_grouping_matters_at_most_by_rounding(front, xs, seed):
    source = random.Random(seed)  # noqa: S311 -- a test's draws
    a, b, c = ([*cut(xs, source), [], []][k] for k in range(3))
    if max([*a, *b, *c], default=-math.inf) == -math.inf:
        return
    a, b, c = front.piece(a), front.piece(b), front.piece(c)
    left, right = front.merge(front.merge(a, b), c), front.merge(a, front.merge(b, c))

    assert left.max == right.max
    assert (
        abs(left.rest - right.rest)
        <= 6 * float(spacing(np.array(max(left.rest, right.rest)), "float64")) + len(xs) * 5e-324
    )


@law(
    mutants.MergeDropsNan, fronts=FRONTS, reference=ReferenceCore, xs=rows(), odd=st.sampled_from([math.nan, math.inf])
)
def test_a_nan_or_infinite_piece_shows_in_the_row_however_it_is_merged(front, xs, odd):
    a, b = front.piece([1.0, odd, 0.0]), front.piece(xs)
    for state in (front.merge(a, b), front.merge(b, a)):
        assert not math.isfinite(state.max) or math.isnan(state.rest)
