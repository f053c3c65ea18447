"""Records of sweeps for tests of what is shown: a made-up digits, and a hostile one."""

import dataclasses
import functools

import numpy as np

from tests.test_sweep.worlds import SIZES, START, World, octaves
from xent.train import sweep_analysis as analysis
from xent.train.noise import Curved, Scale
from xent.train.sweep_noise import Heard, records
from xent.train.sweep_options import SweepOptions
from xent.train.sweep_record import Sweep

BAD = "<script>alert(1)</script>\x1b[31m\u202e\"'&"


def made(world: World, lrs, *, sizes=SIZES, reductions=("mean", "sum"), noise=True) -> Sweep:
    """The record of a made-up sweep."""
    runs = world.runs(lrs, sizes, reductions)
    targets = analysis.choose_targets(runs)
    goals = [*(("target", goal) for goal in targets), ("data", 20_000.0), ("updates", 60.0)]
    comparisons = tuple(analysis.compare(runs, r, kind, goal) for r in reductions for kind, goal in goals)
    diagonals, alike = analysis.collapse(runs, 16)
    heard = [Heard(k, Scale(1 / 4**k, 9.0 / 2**k), Curved(5.0 * 2**k, 3.0), Scale(1.0, 9.0 * 2**k)) for k in range(5)]
    return Sweep(
        title="digits", task="digits: 1797 rows, 64 features, 10 classes", unit="rows", notes=(),
        model="softmax regression", parameters=650, optimizer="sgd", rows=1527, test_rows=270,
        seeds=tuple(range(world.seeds)), batch_sizes=tuple(sizes), initial_loss=START, data_rows=20_000, updates=60,
        targets=targets, cells=analysis.cell_results(runs, targets), comparisons=comparisons, collapse=diagonals,
        collapses_to=alike, sums=analysis.sums(runs),
        noise=records((2.3, 1.0, 0.5, 0.25, 0.1), [(0, heard), (1, [*heard[:4], None])]) if noise else (),
        noise_batch_size=16, noise_lr=0.5, settings=SweepOptions().settings(), command="xent sweep digits",
        folder="runs/digits-sweep-1", versions={"python": "3.11.4", "xent": "0.1"}, machine="Linux x86_64, 2 cores",
        started="2026-01-02T03:04:05+00:00", seconds=41.5,
    )  # fmt: skip


@functools.cache
def whole() -> Sweep:
    """All is known."""
    return made(World(), octaves(-7, 6))


@functools.cache
def edges() -> Sweep:
    """The grid ends at 1/4: most best values lie on its edge."""
    return made(World(), octaves(-7, -2), sizes=(1, 2, 4, 8), noise=False)


@functools.cache
def hostile() -> Sweep:
    """Names that would do harm, numbers that are hardly any."""
    record = made(World(seeds=1, jitter=0.0), (1e-9, 0.1, 1e9), sizes=(1, 3, 7))
    return dataclasses.replace(
        record, title=BAD, task=BAD * 20, model=BAD, notes=(BAD,) * 3, folder=BAD, command=f"xent sweep '{BAD}'"
    )


@functools.cache
def nothing() -> Sweep:
    """No batch size learned anything."""
    return made(World(goal=2.2, jitter=0.0), (1e9, 1e10), noise=False)


RECORDS = {"whole": whole, "edges": edges, "hostile": hostile, "nothing": nothing}
assert np.isfinite(START)
