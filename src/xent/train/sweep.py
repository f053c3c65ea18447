"""One sweep from data to report: the grid, wider where a best value lies on its edge, and what it says in the end."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import platform
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xent.core.errors import DataError, OptionError
from xent.fit.files import write_json
from xent.train import sweep_analysis as analysis
from xent.train import sweep_store as store
from xent.train.descent import Cell, Length, Problem, descend
from xent.train.options import Options
from xent.train.session import cores, prepare, versions
from xent.train.sweep_fit import WELL_BELOW
from xent.train.sweep_noise import losses_below, noise_along, noise_cell, records
from xent.train.sweep_record import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xent.train.descent import Trace
    from xent.train.prepared import Prepared
    from xent.train.sweep_options import SweepOptions
    from xent.train.sweep_record import Comparison, Noise
    from xent.train.sweep_workers import Workers

    Call = Callable[..., Iterator[Any]]

WIDER = 4  # times that the grid grows where a best value lies on its edge
OCTAVES = 2  # powers of two each time


class Listener(Protocol):
    """Hears how a sweep goes on."""

    def started(self, going: Going) -> None:
        """Data and grid are ready."""

    def progressed(self, done: int, count: int, share: float, words: str) -> None:
        """So many points of the grid are done of those known now; `share` of the work that they are."""


class Going:
    """A sweep on its way: its data, its grid, and what is done."""

    def __init__(self, options: SweepOptions, folder: Path | None) -> None:
        asked = Options(
            data=options.data, target=options.target, test=options.test, hidden=options.hidden, seed=options.seed
        )
        _, self.prepared = prepare(asked)
        self.options, self.folder = options, folder  # None: nothing is written
        self.problem = problem_of(self.prepared, options)
        self.seeds = tuple(range(options.seed, options.seed + options.seeds))
        rows = len(self.problem.targets)
        self.length = Length(max(1, round(options.epochs * rows)), options.updates)
        self.batch_sizes = _batch_sizes(options, rows)
        self.runs = analysis.Runs({}, self.length)
        self.started = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        self.fingerprint = _fingerprint(self.prepared, self.problem)

    def grid(self) -> list[Cell]:
        """The points that are tried in any case."""
        return [
            Cell(reduction, size, lr)
            for reduction in self.options.reduction
            for size in self.batch_sizes
            for lr in self.options.first_lrs(reduction)
        ]

    def wider(self) -> list[Cell]:
        """The next points where a best learning rate is the lowest or the highest tried; none if the user chose."""
        if self.options.lr is not None:
            return []
        goals = self.goals()
        goals = [goals[-3], *goals[-2:]] if len(goals) > 2 else goals  # noqa: PLR2004  # the headline, data, updates
        more = []
        for reduction in self.options.reduction:
            for size in self.batch_sizes:
                lrs = self.runs.lrs(reduction, size)
                low, high = analysis.at_edge(self.runs, reduction, size, goals)
                more += [Cell(reduction, size, lrs[0] / 2.0**k) for k in range(1, OCTAVES + 1) if low]
                more += [Cell(reduction, size, lrs[-1] * 2.0**k) for k in range(1, OCTAVES + 1) if high]
        return more

    def targets(self) -> tuple[float, ...]:
        """The losses to reach, falling."""
        if self.options.reach is not None:
            return tuple(sorted(self.options.reach, reverse=True))
        return analysis.choose_targets(self.runs)

    def goals(self) -> list[tuple[str, float]]:
        """What is compared: each target, the headline last, then equal data and equal updates."""
        same = [("data", float(self.length.rows)), ("updates", float(self.length.updates))]
        return [("target", goal) for goal in self.targets()] + same

    def run(self, listener: Listener, workers: Workers) -> Sweep:
        """Compute what is missing, and conclude."""
        began = time.monotonic()
        listener.started(self)
        with workers.ready() as call:
            cells = self.grid()
            for _ in range(WIDER + 1):
                if not cells:
                    break
                self._compute(cells, call, listener)
                cells = self.wider()
            comparisons = [
                analysis.compare(self.runs, reduction, kind, goal)
                for reduction in self.options.reduction
                for kind, goal in self.goals()
            ]
            chosen = noise_cell(comparisons)
            listener.progressed(len(self.runs.traces), len(self.runs.traces), 1.0, "the gradient's noise")
            noise = self._noise(chosen, call) if chosen else ()
        return self._concluded(comparisons, chosen, noise, time.monotonic() - began)

    def _compute(self, cells: Sequence[Cell], call: Call, listener: Listener) -> None:
        """Fill in points of the grid, from the folder where they are there."""
        traces = self.runs.traces = dict(self.runs.traces)
        before, missing = sum(map(self._work, traces)), []
        for cell in cells:
            checks = len(self.length.checks(cell.batch_size))
            there = store.kept(self.folder, cell, checks, len(self.seeds)) if self.folder else None
            if there is None:
                missing.append(cell)
            else:
                traces[cell] = there
                before += self._work(cell)
        count, total = len(traces) + len(missing), before + sum(map(self._work, missing))
        listener.progressed(len(traces), count, before / total, "")
        missing.sort(key=self._work, reverse=True)  # the longest first: no core waits at the end
        settings = (self.seeds, self.options.optimizer, self.length)
        for cell, trace in call(descend_as, [(self.problem, cell, *settings) for cell in missing]):
            traces[cell] = trace
            if self.folder is not None:
                store.keep(self.folder, cell, trace)
            before += self._work(cell)
            listener.progressed(len(traces), count, before / total, f"{cell.reduction}, B {cell.batch_size}")
        self.runs.traces = {cell: traces[cell] for cell in sorted(traces)}

    def _work(self, cell: Cell) -> float:
        """About how long a point takes; the unit does not matter."""
        size, last = cell.batch_size, self.length.last(cell.batch_size)
        numbers = self.problem.architecture.count() * len(self.seeds)
        checks = len(self.length.checks(size))
        # fixed part of a step, its numbers, and the losses on all rows; measured with digits
        return last * (40.0 + numbers * (0.001 + 0.0002 * size)) + checks * len(self.problem.targets) * numbers * 2e-4

    def _noise(self, cell: Cell, call: Call) -> tuple[Noise, ...]:
        """Noise along the runs of one point of the grid, at falling losses."""
        first = analysis.spread(self.runs.losses(cell)[:, 0]).median or 0.0
        goals = losses_below(first, self.targets())
        arguments = [(self.problem, cell, seed, self.options.optimizer, self.length, goals) for seed in self.seeds]
        return records((first, *goals), call(noise_along, arguments))

    def _concluded(
        self, comparisons: Sequence[Comparison], chosen: Cell | None, noise: tuple[Noise, ...], seconds: float
    ) -> Sweep:
        """The record."""
        knee = next((c.critical for c in reversed(comparisons) if c.reduction == "mean" and c.critical), None)
        limit = knee.batch_size / WELL_BELOW if knee is not None and knee.batch_size is not None else None
        diagonals, alike = analysis.collapse(self.runs, limit)
        targets = self.targets()
        first = [self.runs.losses(cell)[:, 0] for cell in self.runs.traces]
        data = self.prepared
        return Sweep(
            title=data.title,
            task=data.task,
            unit=data.unit,
            notes=data.notes,
            model=data.architecture.words(),
            parameters=data.architecture.count(),
            optimizer=self.options.optimizer,
            rows=len(self.problem.targets),
            test_rows=len(self.problem.test_targets),
            seeds=self.seeds,
            batch_sizes=self.batch_sizes,
            initial_loss=float(np.median(first[0])),
            data_rows=self.length.rows,
            updates=self.length.updates,
            targets=targets,
            cells=analysis.cell_results(self.runs, targets),
            comparisons=tuple(comparisons),
            collapse=diagonals,
            collapses_to=alike,
            sums=analysis.sums(self.runs),
            noise=noise,
            noise_batch_size=chosen.batch_size if chosen else None,
            noise_lr=chosen.lr if chosen else None,
            settings=self.options.settings(),
            command=self.options.command(),
            folder=self.folder.as_posix() if self.folder else "",
            versions=versions(),
            machine=f"{platform.system()} {platform.machine()}, {cores()} cores",
            started=self.started,
            seconds=seconds,
        )


def start(options: SweepOptions, out: Path | None) -> Going:
    """A new sweep, its folder made. DataError, OptionError: data, options or folder cannot be used."""
    going = Going(options, None)
    going.folder = out or store.new_folder(going.prepared.title)
    store.make(going.folder, options, going.fingerprint, going.started)
    return going


def resume(folder: Path) -> Going:
    """A sweep that stopped. DataError if it cannot go on: the folder is damaged, or the data changed."""
    options, fingerprint, started = store.about(folder)
    going = Going(options, folder)
    if going.fingerprint != fingerprint:
        raise DataError(f"{options.data} is not what it was when {folder} was begun: sweep it anew.")
    going.started = started
    store.tidy(folder)
    return going


def finish(sweep: Sweep, folder: Path) -> None:
    """Write record, table and report."""
    write_json(folder / store.RESULT, sweep.to_dict())
    for name in (store.TABLE, store.REPORT):
        sweep.save(folder / name)


def descend_as(problem: Problem, cell: Cell, *settings: object) -> tuple[Cell, Trace]:
    """A point of the grid and what became of it: results come in any order."""
    return cell, descend(problem, cell, *settings)  # type: ignore[arg-type]  # as `descend` takes them


def problem_of(prepared: Prepared, options: SweepOptions) -> Problem:
    """What is learned: the rows of training and validation together, since nothing here is chosen by validation."""
    parts = [prepared.train.flat(), prepared.validation.flat()]
    inputs, targets = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    if len(targets) > options.rows:
        chosen = np.sort(np.random.default_rng([options.seed, 0, 2]).permutation(len(targets))[: options.rows])
        inputs, targets = inputs[chosen], targets[chosen]
    test_inputs, test_targets = prepared.test.flat()
    return Problem(prepared.architecture, inputs, targets, test_inputs[: options.rows], test_targets[: options.rows])


def _batch_sizes(options: SweepOptions, rows: int) -> tuple[int, ...]:
    """Those asked for, or the powers of two up to the training rows. OptionError for one that is larger."""
    if options.batch_size is None:
        return tuple(2**k for k in range(int(math.log2(rows)) + 1))
    most = max(options.batch_size)
    if most > rows:
        raise OptionError(f"--batch-size is {most}: it must be at most the number of training rows, {rows}.")
    return tuple(sorted(options.batch_size))


def _fingerprint(prepared: Prepared, problem: Problem) -> str:
    """Of the data, the split, and the rows used."""
    digest = hashlib.sha256(prepared.fingerprint.encode())
    digest.update(np.ascontiguousarray(problem.inputs).tobytes() + problem.targets.tobytes())
    return digest.hexdigest()
