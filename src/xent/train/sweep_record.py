"""The record of one sweep: what the terminal prints, sweep.json keeps and report.html draws.

Plain frozen records, no arithmetic. Losses are in nats per row ("row" is a token for text), over all training rows.
Where a number is None, none could be had: a target that was not reached, a loss that is no finite number, or a
conclusion that is refused; then a text beside it says why.
"""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING

from xent.core.errors import OptionError
from xent.train.run import Record

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True)
class Spread(Record):
    """A number over the seeds. An entry is None where the seed it would be of did not get there."""

    median: float | None
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class CellResult(Record):
    """A point of the grid: one reduction, batch size and learning rate, over the seeds."""

    reduction: str  # "mean" or "sum"
    batch_size: int
    lr: float
    to_target: tuple[Spread, ...]  # updates to each of Sweep.targets, interpolated between the checks
    at_data: Spread  # loss when as many rows were seen as with every batch size
    at_updates: Spread  # loss when as many updates were made
    accuracy: Spread  # of the test rows, when as many rows were seen


@dataclasses.dataclass(frozen=True, slots=True)
class Best(Record):
    """The best learning rate for a batch size, in one comparison."""

    batch_size: int
    updates: float | None  # made (median over the seeds, for a target)
    rows: float | None  # seen
    value: Spread  # updates to the target, or the loss
    lr: float | None  # None: refused
    refused: str  # why; "" if it is not
    lr_seen: float | None  # the best of those tried, also where it is refused
    lr_low: float | None  # over the seeds, each with its own best
    lr_high: float | None
    seeds_at_edge: int  # seeds whose own best is the lowest or the highest tried


@dataclasses.dataclass(frozen=True, slots=True)
class Critical(Record):
    """The fit updates = least_updates + least_rows / B, and the batch size where both terms are equal."""

    batch_size: float | None  # None: refused
    low: float | None  # over fits to single seeds
    high: float | None
    least_updates: float | None
    least_rows: float | None
    error: float | None  # root mean square of the fit's relative errors
    why: str  # it is refused; "" if it is not


@dataclasses.dataclass(frozen=True, slots=True)
class Growth(Record):
    """How the best learning rate grows with the batch size: the exponent k of B^k, by least squares over log B.

    Of each seed with its own best learning rates; the median and the range over the seeds.
    """

    exponent: float | None  # None: refused
    low: float | None
    high: float | None
    first: int  # batch sizes from here …
    last: int  # … to here
    why: str  # it is refused; "" if it is not


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison(Record):
    """Batch sizes compared by one rule, each at the learning rate that is best for it."""

    reduction: str
    kind: str  # "target", "data" or "updates"
    goal: float  # a loss, rows, or updates
    best: tuple[Best, ...]  # in the order of the batch sizes
    critical: Critical | None  # for a target
    below: Growth | None  # for a target: up to a quarter of the critical batch size
    above: Growth | None  # for a target: from the critical batch size on
    overall: Growth | None  # for a target: over all batch sizes, whatever the critical one is


@dataclasses.dataclass(frozen=True, slots=True)
class Diagonal(Record):
    """Cells of the mean with the same lr/B, at equal data: as with a sum and a fixed learning rate."""

    lr_per_row: float
    batch_sizes: tuple[int, ...]  # those up to the critical batch size that were run
    lowest: float  # median loss
    highest: float


@dataclasses.dataclass(frozen=True, slots=True)
class Sums(Record):
    """Runs of the sum with lr beside runs of the mean with B·lr: the same steps, if steps follow the gradient."""

    pairs: int  # of cells
    equal: int  # pairs whose losses are equal, all of them, to the last digit kept
    worst: float  # largest relative difference of a loss


@dataclasses.dataclass(frozen=True, slots=True)
class Noise(Record):
    """The gradient's noise where a run first reaches a loss, over the seeds."""

    loss: float
    updates: float  # made until then (median)
    gradient: Spread  # |G|², the squared length of the gradient of all training rows
    variance: Spread  # tr Σ, the variance of a row's gradient, all parameters together
    scale: Spread  # tr Σ / |G|², a number of rows
    estimated: Spread  # the same by the gradients of batches of two sizes alone
    curved: Spread | None  # tr(HΣ) / GᵀHG with the Hessian H; None: not for this model
    longest_lr: Spread | None  # |G|² / GᵀHG, the best learning rate of one step without noise


@dataclasses.dataclass(frozen=True, slots=True)
class Sweep(Record):
    """One sweep from its data to its conclusions."""

    title: str  # "digits", "flowers.csv"
    task: str  # "digits: 1797 rows, 64 features, 10 classes"
    unit: str  # "rows" or "tokens"
    notes: tuple[str, ...]  # remarks on the data, a line each
    model: str  # "softmax regression"
    parameters: int
    optimizer: str  # "sgd"
    rows: int  # training rows
    test_rows: int
    seeds: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    initial_loss: float  # median over the seeds
    data_rows: int  # that every batch size sees for the comparison at equal data
    updates: int  # that every batch size makes for the comparison at equal updates
    targets: tuple[float, ...]  # losses, falling; the last is the headline
    cells: tuple[CellResult, ...]
    comparisons: tuple[Comparison, ...]  # per reduction: each target, data, updates
    collapse: tuple[Diagonal, ...]  # rising lr/B
    collapses_to: float | None  # the largest lr/B up to which the losses on each diagonal differ by 5 % at most
    sums: Sums | None  # None: not both reductions, or no pair
    noise: tuple[Noise, ...]  # falling loss
    noise_batch_size: int | None  # of the runs along which noise was measured
    noise_lr: float | None
    settings: dict[str, object]
    command: str
    folder: str
    versions: dict[str, str]
    machine: str
    started: str  # ISO 8601 with offset, to the second; not reproducible
    seconds: float  # of this process; not reproducible

    def comparison(self, reduction: str, kind: str) -> Comparison | None:
        """The comparison of that kind; for targets the headline. None if there is none."""
        found = [each for each in self.comparisons if (each.reduction, each.kind) == (reduction, kind)]
        return found[-1] if found else None

    def __str__(self) -> str:
        """The text that the terminal shows."""
        from xent.train.sweep_text import text

        return text(self)

    def _repr_html_(self) -> str:
        """The same in a notebook."""
        return f"<pre>{html.escape(str(self))}</pre>"

    def save(self, path: Path) -> None:
        """Write .html (a page with plots), .json, .csv (one line a point of the grid) or .txt; OptionError else."""
        from xent.fit.files import write, write_json
        from xent.train import sweep_text

        if path.suffix == ".json":
            write_json(path, self.to_dict())
        elif path.suffix == ".html":
            from xent.train import sweep_page

            write(path, sweep_page.render(self))
        elif path.suffix == ".csv":
            write(path, sweep_text.csv(self))
        elif path.suffix == ".txt":
            write(path, f"{self}\n")
        else:
            raise OptionError(f"{path} ends in {path.suffix or 'nothing'}: it must end in .html, .json, .csv or .txt.")
