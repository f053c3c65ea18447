"""A sweep in words: what the terminal shows, in lines of at most 80 columns, and the table of the grid as .csv."""

from __future__ import annotations

import csv as csv_module
import io
import textwrap
from typing import TYPE_CHECKING

from xent.fit.columns import grouped
from xent.train.sweep_options import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xent.train.sweep_record import Best, Comparison, Critical, Growth, Spread, Sweep

WIDTH = 80
_SAME = 0.1  # an exponent nearer than this to 0 or 1 is said in words
_NONE = "–"


def text(sweep: Sweep) -> str:
    """Everything: the answer first, where to go on last."""
    blocks = [
        _filled(answer(sweep)),
        _head(sweep),
        *(_to_target(sweep, reduction) for reduction in _reductions(sweep)),
        *(_equal(sweep, reduction) for reduction in _reductions(sweep)),
        _knees(sweep),
        "\n".join(_filled(line, " ", " ") for line in remarks(sweep)),
        _where(sweep),
    ]
    return "\n\n".join(block for block in blocks if block)


def answer(sweep: Sweep) -> str:
    """How the best learning rate moves with the batch size, in a sentence or two."""
    mean = sweep.comparison("mean", "target")
    found = mean or sweep.comparison("sum", "target")
    if found is None or found.below is None or found.above is None or found.critical is None:
        return "No loss was reached with every batch size, so batch sizes cannot be compared by the updates to one."
    of = "" if found is mean else " of a sum"
    if found.below.exponent is None:
        return _overall(found.overall, of, found.below.why)
    said = (
        f"From batch size {found.below.first} to {found.below.last} the best learning rate{of} "
        f"{moves(found.below.exponent)}{_unsure(found.below)}"
    )
    if found.above.exponent is None:
        said += "; what it does beyond the critical batch size was not measured."
    else:
        said += f"; from {found.above.first} on it {moves(found.above.exponent)}{_unsure(found.above)}."
    return f"{said} Critical batch size: {knee(found.critical)}, to a loss of {found.goal:g}."


def _overall(growth: Growth | None, of: str, why: str) -> str:
    """The same where below and beyond the critical batch size cannot be told apart."""
    if growth is None or growth.exponent is None:
        why = growth.why if growth is not None else why
        return f"How the best learning rate{of} moves with the batch size cannot be said: {why}."
    return (
        f"From batch size {growth.first} to {growth.last} the best learning rate{of} {moves(growth.exponent)}"
        f"{_unsure(growth)}. That is over all of them: what holds below the critical batch size alone cannot be said "
        f"({why})."
    )


def moves(exponent: float) -> str:
    """An exponent in words.

    >>> moves(1.02), moves(0.0), moves(0.47), moves(-1.0)
    ('doubles when the batch doubles', 'stays the same', 'grows as B^0.47', 'halves when the batch doubles')
    """
    for number, words in (
        (1.0, "doubles when the batch doubles"),
        (0.0, "stays the same"),
        (-1.0, "halves when the batch doubles"),
    ):
        if abs(exponent - number) < _SAME:
            return words
    return f"{'grows' if exponent > 0 else 'falls'} as B^{exponent:.2f}"


def _unsure(growth: Growth) -> str:
    """The range of the seeds, where they do not agree."""
    if growth.exponent is None or growth.low is None or growth.high is None:
        return ""
    if growth.high - growth.low < 2 * _SAME:
        return ""
    return f" (the seeds' exponents: {growth.low + 0.0:.2f} to {growth.high + 0.0:.2f})"


def knee(critical: Critical) -> str:
    """A critical batch size with the range of the seeds, or why there is none.

    >>> from xent.train.sweep_record import Critical
    >>> knee(Critical(27.3, 24.0, 31.8, 16.0, 437.0, 0.1, ""))
    '27 (seeds 24 – 32)'
    """
    if critical.batch_size is None:
        return f"not known ({critical.why})"
    return f"{_count(critical.batch_size)} (seeds {_count(critical.low)} – {_count(critical.high)})"


def remarks(sweep: Sweep) -> list[str]:
    """What else was found, and what must not be read into it."""
    lines = []
    if sweep.sums is not None:
        lines.append(_sums(sweep))
    if sweep.collapses_to is not None:
        sizes = sorted({size for row in sweep.collapse for size in row.batch_sizes})
        lines.append(
            f"lr/B alone: at equal data, batch sizes {sizes[0]} to {sizes[-1]} with the same lr/B end at the same "
            f"loss, within 5 %, up to lr/B = {short(sweep.collapses_to)}."
        )
    edges = sum(best.refused.endswith("tried") for each in sweep.comparisons for best in each.best)
    if edges:
        lines.append(
            f"edge: {edges} best value{'s' * (edges != 1)} in these tables {'lies' if edges == 1 else 'lie'} at the "
            "lowest or the highest learning rate tried; what was not tried may be better, so none is called best."
        )
    lines.append(
        f"One model on {grouped(sweep.rows)} {sweep.unit} of one data set: what holds here need not hold elsewhere. "
        "Over 35 workloads no simple rule for the learning rate was right (Shallue et al. 2019, JMLR 20(112))."
    )
    return lines


def _sums(sweep: Sweep) -> str:
    """Sum and mean side by side."""
    sums = sweep.sums
    if sums is None:
        return ""
    same = "sum: lr beside mean: B·lr, "
    if sums.equal == sums.pairs:
        return f"{same}{sums.pairs} pairs of runs: the same losses to the last digit kept, in all of them."
    return (
        f"{same}{sums.pairs} pairs of runs: {sums.equal} with the same losses to the last digit kept; elsewhere they "
        f"differ by up to {sums.worst:.2g} of the loss."
    )


def _reductions(sweep: Sweep) -> list[str]:
    """The reductions of the sweep, in order."""
    return list(dict.fromkeys(each.reduction for each in sweep.comparisons))


def _head(sweep: Sweep) -> str:
    """Data, model and grid."""
    seeds = len(sweep.seeds)
    return "\n".join(
        _filled(line, "", "  ")
        for line in (
            sweep.task,
            (
                f"{sweep.model}, {grouped(sweep.parameters)} parameters · {sweep.optimizer} · {grouped(sweep.rows)} "
                f"training {sweep.unit} · {seeds} seed{'s' * (seeds != 1)} · {len(sweep.cells)} points of the grid"
            ),
        )
    )


def _to_target(sweep: Sweep, reduction: str) -> str:
    """The headline: fewest updates to the lowest target."""
    found = sweep.comparison(reduction, "target")
    if found is None:
        return ""
    rows = [
        (
            f"{best.batch_size}",
            _count(best.updates),
            _range(best.value, _count),
            _count(best.rows),
            _lr(best),
            _lr_range(best),
            _edge_seeds(best),
        )
        for best in found.best
    ]
    head = ("batch", "updates", "seeds", sweep.unit, "best lr", "seeds' own", "")
    title = f"{reduction} · fewest updates to a training loss of {found.goal:g}"
    return _table(title, head, rows) + _growths(found)


def _growths(found: Comparison) -> str:
    """The slopes below the table."""
    lines = []
    parts = [(found.below, "below critical"), (found.above, "beyond critical")]
    if found.below is not None and found.below.exponent is None:
        parts = [(found.overall, "over all")]
    for growth, where in parts:
        if growth is not None and growth.exponent is not None:
            lines.append(f"\n  best lr as B^{_signed(growth)} {where}: B = {growth.first} to {growth.last}")
    return "".join(lines)


def _signed(growth: Growth) -> str:
    """An exponent with the range of its seeds."""
    low, high, middle = growth.low or 0.0, growth.high or 0.0, growth.exponent or 0.0
    return f"{middle + 0.0:.2f} (seeds {low + 0.0:.2f} – {high + 0.0:.2f})"


def _equal(sweep: Sweep, reduction: str) -> str:
    """Equal data and equal updates, side by side."""
    data, updates = sweep.comparison(reduction, "data"), sweep.comparison(reduction, "updates")
    if data is None or updates is None:
        return ""
    rows = []
    for one, other in zip(data.best, updates.best, strict=True):
        rows.append(
            (
                f"{one.batch_size}", _count(one.updates), _loss(one.value.median), _lr(one), _lr_range(one),
                "", _loss(other.value.median), _lr(other), _lr_range(other),
            )
        )  # fmt: skip
    head = ("batch", "updates", "loss", "best lr", "seeds' own", "|", "loss", "best lr", "seeds' own")
    title = (
        f"{reduction} · lowest training loss after {grouped(sweep.data_rows)} {sweep.unit} | after "
        f"{grouped(sweep.updates)} updates"
    )
    return _table(title, head, rows)


def _knees(sweep: Sweep) -> str:
    """Critical batch size by fit, and noise scale, by loss."""
    fits = {c.goal: c.critical for c in sweep.comparisons if c.kind == "target" and c.critical}
    losses = sorted({*fits, *(each.loss for each in sweep.noise)}, reverse=True)
    noise = {each.loss: each for each in sweep.noise}
    rows = []
    for loss in losses:
        fit, heard = fits.get(loss), noise.get(loss)
        known = fit is not None and fit.batch_size is not None
        rows.append(
            (
                f"{loss:.4g}",
                _count(fit.batch_size) if fit is not None and known else _NONE,
                f"{_count(fit.low)} – {_count(fit.high)}" if fit is not None and known else "",
                _count(heard.scale.median) if heard else _NONE,
                _range(heard.scale, _count) if heard else "",
                _count(heard.estimated.median) if heard else _NONE,
                _count(heard.curved.median) if heard and heard.curved else _NONE,
            )
        )
    if not rows:
        return ""
    head = ("loss", "critical batch", "seeds", "tr Σ/|G|²", "seeds", "two batches", "curved")
    title = "critical batch size by fit, and the gradient's noise scale where the loss is reached"
    whys = [f"no critical batch size to a loss of {goal:g}: {fit.why}" for goal, fit in sorted(fits.items()) if fit.why]
    return "\n".join([_table(title, head, rows), *(_filled(why, "  ", "  ") for why in whys[:1])])


def _where(sweep: Sweep) -> str:
    """What lies where, and what to do next."""
    lines = []
    if sweep.folder:
        lines += [f" {sweep.folder}/   report.html   sweep.csv   sweep.json", f" open    {sweep.folder}/report.html"]
    return "\n".join([*lines, f" again   {sweep.command}"])


def csv(sweep: Sweep) -> str:
    """One line a point of the grid: medians over the seeds, lowest and highest; empty where there is none."""
    names = [
        *(f"updates_to_{goal:g}" for goal in sweep.targets),
        f"loss_after_{sweep.data_rows}_rows",
        f"loss_after_{sweep.updates}_updates",
        "test_accuracy",
    ]
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    writer.writerow(["reduction", "batch_size", "lr", *(f"{n}{end}" for n in names for end in ("", "_low", "_high"))])
    for cell in sweep.cells:
        spreads = (*cell.to_target, cell.at_data, cell.at_updates, cell.accuracy)
        values = (value for each in spreads for value in (each.median, each.low, each.high))
        writer.writerow(
            [cell.reduction, cell.batch_size, repr(cell.lr), *("" if v is None else f"{v:.7g}" for v in values)]
        )
    return out.getvalue()


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns set to the right, as narrow as they can be."""
    gap, lines = "  ", list[str]()
    for compact in (False, True):
        cells = [[cell.replace(" – ", "–") if compact else cell for cell in row] for row in (head, *rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
        lines = [gap.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
        if len(lines[0]) + 2 <= WIDTH:
            break
        gap = " "
    return "\n".join([_filled(title), *(f"  {line}".rstrip() for line in lines)])


def _filled(line: str, first: str = "", rest: str = "") -> str:
    """The line, broken at 80 columns."""
    return textwrap.fill(line, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _count(value: float | None) -> str:
    """Updates or rows: whole numbers, but small ones with a digit more.

    >>> _count(1394.8), _count(7.25), _count(None)
    ('1395', '7.2', '–')
    """
    if value is None:
        return _NONE
    return f"{value:.1f}" if value < 10 and not float(value).is_integer() else grouped(round(value))  # noqa: PLR2004  # two digits


def _loss(value: float | None) -> str:
    """A loss with three digits."""
    return _NONE if value is None else f"{value:.3g}"


def _range(value: Spread, form: object) -> str:
    """Lowest and highest over the seeds; – for a seed that did not get there."""
    return "" if value.median is None else f"{_count(value.low)} – {_count(value.high)}" if callable(form) else ""


def _lr(best: Best) -> str:
    """The best learning rate, or that it is refused."""
    if best.lr is not None:
        return short(best.lr)
    return _NONE if best.lr_seen is None else f"edge {short(best.lr_seen)}"


def _lr_range(best: Best) -> str:
    """The seeds' own best learning rates."""
    if best.lr_low is None or best.lr_high is None:
        return ""
    return short(best.lr_low) if best.lr_low == best.lr_high else f"{short(best.lr_low)} – {short(best.lr_high)}"


def _edge_seeds(best: Best) -> str:
    """How many seeds' own best lies at an edge."""
    if not best.seeds_at_edge or best.lr is None:
        return ""
    return f"{best.seeds_at_edge} seed{'s' * (best.seeds_at_edge != 1)} at the edge"
