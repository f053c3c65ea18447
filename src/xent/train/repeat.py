"""The same training over many seeds: one test accuracy is a coin, their median is not."""

from __future__ import annotations

import dataclasses
import os
import statistics
from typing import TYPE_CHECKING

from xent.core.errors import OptionError, missing
from xent.train.run import Record
from xent.train.session import Session, command, cores, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from xent.train.options import Options
    from xent.train.run import Epoch


@dataclasses.dataclass(frozen=True, slots=True)
class Repeated(Record):
    """Test results by seed."""

    task: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]  # of the test rows, in the order of the seeds
    losses: tuple[float, ...]
    epochs: tuple[int, ...]  # until it stopped
    median: float  # of the accuracies
    lowest: float
    highest: float
    median_loss: float
    median_epochs: float
    settings: dict[str, str | float | int | bool | None]
    command: str


class Silent:
    """Hears everything and says nothing."""

    def started(self, session: Session) -> None:
        """Nothing."""

    def stepped(self, done: int) -> None:
        """Nothing."""

    def measured(self, epoch: Epoch) -> None:
        """Nothing."""


def repeat(options: Options, count: int, on_done: Callable[[int, float], None]) -> Repeated:
    """Train with `count` seeds from `options.seed` on, as many at once as there are cores; nothing is written.

    `on_done` hears how many are done, and their median accuracy. OptionError, DataError as for one training.
    """
    if count < 1:
        raise OptionError(f"--repeat is {count}: it must be a whole number above 0.")
    try:
        import joblib
    except ImportError:
        raise missing("joblib", "cli") from None
    resolved, prepared = prepare(options)  # a mistake is found here, once
    seeds = range(options.seed, options.seed + count)
    jobs = min(count, cores())
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    found: dict[int, tuple[float, float, int]] = {}
    for seed, *values in work(joblib.delayed(_one)(dataclasses.replace(options, seed=seed)) for seed in seeds):
        found[seed] = (values[0], values[1], values[2])
        on_done(len(found), statistics.median(v[0] for v in found.values()))
    accuracies, losses, epochs = zip(*(found[seed] for seed in seeds), strict=True)
    return Repeated(
        task=prepared.task,
        seeds=tuple(seeds),
        accuracies=accuracies,
        losses=losses,
        epochs=epochs,
        median=statistics.median(accuracies),
        lowest=min(accuracies),
        highest=max(accuracies),
        median_loss=statistics.median(losses),
        median_epochs=statistics.median(epochs),
        settings=resolved.settings(),
        command=f"{command(resolved)} --repeat {count}",
    )


def _one(options: Options) -> tuple[int, float, float, int]:
    """Seed, test accuracy, test loss and epochs of one training."""
    os.environ.setdefault("XENT_NUM_THREADS", "1")  # the cores are busy with other seeds
    resolved, prepared = prepare(options)
    fit, scores, _ = Session(resolved, prepared, None).run(Silent())
    return options.seed, scores.accuracy(prepared.test.flat()[1]), scores.total.loss, fit.epoch
