"""What a sweep concludes, on made-up sweeps whose truth is known; and that wrong conclusions would be seen."""

import math

import numpy as np
import pytest

from tests.test_sweep.worlds import SIZES, START, World, octaves
from xent.train import sweep_analysis as analysis
from xent.train import sweep_fit
from xent.train.descent import Cell, Length, Trace
from xent.train.sweep_analysis import Runs, at_edge, choose_targets, collapse, compare, sums

WIDE = octaves(-7, 6)


def test_the_truth_is_found():
    world = World()
    found = compare(world.runs(WIDE), "mean", "target", 0.1)

    for best in found.best:
        assert best.lr == world.best_lr(best.batch_size)
        assert best.refused == ""
        assert (best.lr_low, best.lr_high, best.seeds_at_edge) == (best.lr, best.lr, 0)
        truth = 10.0 + 640.0 / best.batch_size
        assert best.updates == pytest.approx(truth, rel=0.05)
        assert best.rows == pytest.approx(truth * best.batch_size, rel=0.05)
        assert best.value.low <= best.value.median <= best.value.high
    assert found.critical.batch_size == pytest.approx(64.0, rel=0.1)
    assert found.critical.low <= found.critical.batch_size <= found.critical.high
    assert found.critical.least_updates == pytest.approx(10.0, rel=0.1)
    assert found.critical.error < 0.05
    assert (found.below.first, found.below.last) == (1, 16)
    assert found.below.exponent == pytest.approx(1.0, abs=1e-12)
    assert found.above.first in (64, 128)
    assert found.above.exponent == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_another_growth_is_found_too(exponent):
    lrs = tuple(2.0 ** (k / 2) for k in range(-14, 13))
    found = compare(World(exponent=exponent).runs(lrs), "mean", "target", 0.1)
    assert found.below.exponent == pytest.approx(exponent, abs=0.03)


def test_a_sum_stays_where_the_mean_doubles():
    runs = World().runs(WIDE, reductions=("mean", "sum"))
    found = compare(runs, "sum", "target", 0.1)
    assert found.below.exponent == pytest.approx(0.0, abs=1e-12)
    assert found.above.exponent == pytest.approx(-1.0, abs=1e-12)
    assert [best.lr for best in found.best] == [World().best_lr(b) / b for b in SIZES]
    pairs = sums(runs)
    assert (pairs.pairs, pairs.equal, pairs.worst) == (len(SIZES) * len(WIDE), len(SIZES) * len(WIDE), 0.0)


def test_equal_data_and_equal_updates_compare_losses():
    runs = World(jitter=0.0).runs(WIDE)
    for kind, made in (("data", lambda b: max(1, round(20_000 / b))), ("updates", lambda _: 60)):
        found = compare(runs, "mean", kind, 0.0)
        assert (found.critical, found.below, found.above) == (None, None, None)
        for best in found.best:
            rate = math.log(START / 0.1) / (10.0 + 640.0 / best.batch_size)
            assert best.updates == made(best.batch_size)
            assert best.value.median == pytest.approx(START * math.exp(-rate * best.updates), rel=1e-4, abs=1e-99)


# The edge of the grid.


@pytest.mark.parametrize(
    ("lrs", "edge", "at"),
    [
        (octaves(-7, -3), "the highest tried", 4),
        (octaves(-3, 6), "the lowest tried", 0),
        ((0.125,), "the only one tried", 0),
    ],
)
def test_a_best_value_on_the_edge_is_not_called_best(lrs, edge, at):
    (best,) = compare(World().runs(lrs, sizes=(1,)), "mean", "target", 0.1).best
    assert best.lr is None
    assert best.refused == edge
    assert best.lr_seen == lrs[at]
    assert best.seeds_at_edge == 5


def test_what_is_refused_takes_no_part_in_the_fits():
    """The grid ends at 1, so from batch size 8 on the best lies on its edge: nothing is known there."""
    found = compare(World().runs(octaves(-7, 0)), "mean", "target", 0.1)
    assert [best.lr is None for best in found.best] == [size >= 8 for size in SIZES]
    assert found.critical.batch_size is None
    assert found.critical.why == "it takes 4 batch sizes whose best learning rate is known, and there are 3"
    assert found.below.why == found.above.why == "the critical batch size is not known"
    assert (found.overall.first, found.overall.last) == (1, 4)
    assert found.overall.exponent == pytest.approx(1.0, abs=1e-12)


def test_the_grid_asks_to_be_wider_where_a_best_lies_on_its_edge():
    runs = World().runs(octaves(-3, 2))
    goals = [("target", 0.1)]
    assert at_edge(runs, "mean", 1, goals) == (True, False)
    assert at_edge(runs, "mean", 8, goals) == (False, False)
    assert at_edge(runs, "mean", 1024, goals) == (False, True)


def test_a_target_that_nobody_reaches_is_said_so():
    (best, *_) = compare(World().runs(WIDE, sizes=(1, 2)), "mean", "target", 1e-300).best
    assert (best.lr, best.lr_seen, best.updates, best.value.median) == (None, None, None, None)
    assert best.refused == "not reached"


# The critical batch size.


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ((1, 2, 4, 8, 16, 32), "no batch size lies beyond it: it is more than 16, or there is none"),
        ((64, 128, 256, 512, 1024), "no batch size lies below it: it is less than 128, or there is none"),
    ],
)
def test_a_critical_batch_size_that_was_not_passed_is_refused(sizes, why):
    found = compare(World(jitter=0.0).runs(WIDE, sizes=sizes), "mean", "target", 0.1)
    assert found.critical.batch_size is None
    assert found.critical.why == why
    assert found.below.exponent is None
    assert (found.overall.first, found.overall.last) == (sizes[0], sizes[-1])
    assert found.overall.exponent == pytest.approx(1.0 if sizes[0] == 1 else 0.0, abs=1e-12)


def test_too_few_batch_sizes_give_no_growth():
    found = compare(World().runs(WIDE, sizes=(2, 8, 64, 256, 1024)), "mean", "target", 0.1)
    assert found.below.exponent is None
    assert found.below.why.startswith("it takes 3 batch sizes of at most 1")
    assert found.below.why.endswith("and there are 2")


def test_the_fit_goes_through_its_own_curve():
    b = np.array([1, 4, 16, 64, 256])
    found = sweep_fit.critical(b.tolist(), (20.0 + 500.0 / b).tolist(), np.tile(20.0 + 500.0 / b[:, None], 3))
    assert found.batch_size == pytest.approx(25.0, rel=1e-6)
    assert found.low == pytest.approx(found.high, rel=1e-6)
    assert found.error < 1e-6


# Targets and diagonals.


def test_targets_are_round_and_every_batch_size_reaches_them():
    world = World()
    runs = world.runs(WIDE)
    targets = choose_targets(runs)
    assert len(targets) == 4
    assert list(targets) == sorted(targets, reverse=True)
    for target in targets:
        assert f"{target:.0e}"[0] in "1235"
        assert all(best.lr_seen is not None for best in compare(runs, "mean", "target", target).best)


def test_where_nothing_is_learned_there_is_no_target():
    length = Length(10, 2)
    flat = Trace(((1.0,) * len(length.checks(1)),), (0.5,))
    assert choose_targets(Runs({Cell("mean", 1, 0.1): flat, Cell("mean", 1, 0.2): flat}, length)) == ()
    lost = Trace(((1.0, *([None] * (len(length.checks(1)) - 1))),), (None,))
    assert choose_targets(Runs({Cell("mean", 1, 0.1): lost}, length)) == ()


def test_losses_lie_on_each_other_by_lr_over_batch_size():
    runs = World(least_updates=1e-9, jitter=0.0, bends=2000).runs(WIDE, sizes=(1, 2, 4, 8))
    rows, alike = collapse(runs, None)
    assert all(row.highest == pytest.approx(row.lowest, rel=0.3) for row in rows if row.lr_per_row <= 0.02)
    assert [row.lr_per_row for row in rows] == sorted(row.lr_per_row for row in rows)
    assert alike is not None
    steep, nothing = collapse(World(exponent=0.0, jitter=0.0).runs(WIDE, sizes=(1, 2, 4, 8)), None)
    assert nothing is None
    assert steep[0].highest > 1.05 * steep[0].lowest


def test_losses_that_are_no_numbers_are_never_best():
    assert analysis.best([1, 2, 4], np.array([[math.inf] * 3, [5.0] * 3, [math.inf] * 3])) == (1, "")
    assert analysis.best([1, 2], np.full((2, 3), math.inf)) == (None, "not reached")
    assert analysis.own_bests(np.array([[math.inf, 1.0], [math.inf, 2.0]])) == [0]


# Wrong on purpose. Each replaces a part of the analysis; a test above must then fail.


def called_best(lrs, values):
    """The least, wherever it lies."""
    place = int(np.median(values, axis=1).argmin())
    return place, ""


def neighbour(lrs, values):
    """One place too low."""
    place, why = RIGHT_BEST(lrs, values)
    return (None if place is None else max(place - 1, 0)), why


def natural(x, y):
    """A slope of learning rates, not of their logarithms."""
    return RIGHT_SLOPE(x, 2.0 ** np.asarray(y))


def turned(x, y):
    """The slope of x over y."""
    return RIGHT_SLOPE(y + 1e-9 * x, x)


def first_below(losses, checks, target):
    """The check before."""
    return RIGHT_UPDATES(losses, checks, target) / 2


def as_mean(self, cell):
    """Losses of a sum as if its learning rate were a mean's."""
    twin = Cell("mean", cell.batch_size, cell.lr)
    return RIGHT_LOSSES(self, twin if twin in self.traces else cell)


def at_the_edge():
    test_a_best_value_on_the_edge_is_not_called_best(octaves(-7, -3), "the highest tried", 4)


RIGHT_BEST, RIGHT_SLOPE, RIGHT_UPDATES = analysis.best, sweep_fit.slope, analysis.updates_to
RIGHT_LOSSES = Runs.losses


@pytest.mark.parametrize(
    ("where", "name", "mutant", "seen_by"),
    [
        (analysis, "best", called_best, at_the_edge),
        (analysis, "best", called_best, test_what_is_refused_takes_no_part_in_the_fits),
        (analysis, "best", neighbour, test_the_truth_is_found),
        (sweep_fit, "slope", natural, test_the_truth_is_found),
        (sweep_fit, "slope", turned, lambda: test_another_growth_is_found_too(0.5)),
        (analysis, "updates_to", first_below, test_the_truth_is_found),
        (Runs, "losses", as_mean, test_a_sum_stays_where_the_mean_doubles),
    ],
    ids=["edge", "edge in the fit", "neighbour", "no logarithm", "turned", "updates", "sum as mean"],
)  # fmt: skip
def test_a_wrong_analysis_would_be_seen(monkeypatch, where, name, mutant, seen_by):
    monkeypatch.setattr(where, name, mutant)
    with pytest.raises((AssertionError, TypeError)):
        seen_by()
