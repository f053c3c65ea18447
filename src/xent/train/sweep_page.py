"""report.html of a sweep: one self-contained page, from the record alone; the words are in templates/sweep.html.j2."""

from collections.abc import Sequence

from xent._page import Html, fixed, join, number, page, table, tag, thousands, visible
from xent.train import panels
from xent.train import sweep_plots as plots
from xent.train.report import templates
from xent.train.sweep_options import short
from xent.train.sweep_record import Best, Comparison, Growth, Spread, Sweep
from xent.train.sweep_text import answer, knee, moves, remarks

_NONE = "–"


def render(sweep: Sweep) -> str:
    """The report as one HTML document: no script, nothing remote, everything that came from the data escaped."""
    body = templates().get_template("sweep.html.j2").render(sweep=sweep, **_facts(sweep))
    style = templates().get_template("report.css").render()
    return page(f"{visible(sweep.title)}: learning rate and batch size · xent sweep", Html(body), style=style)


def _facts(sweep: Sweep) -> dict[str, object]:
    """What the template shows that is not in the record as it stands."""
    reductions = list(dict.fromkeys(each.reduction for each in sweep.comparisons))
    headline = sweep.comparison("mean", "target") or sweep.comparison("sum", "target")
    fit = headline.critical if headline else None
    return {
        "answer": answer(sweep),
        "remarks": remarks(sweep),
        "headline": headline,
        "knee": knee(fit) if fit else "not known",
        "fit": fit,
        "growth": _growths(headline),
        "same": sweep.sums is not None and sweep.sums.equal == sweep.sums.pairs,
        "reductions": reductions,
        "updates_plot": {r: plots.updates(sweep, r) for r in reductions[:1]},
        "lr_plot": plots.best_lr(sweep),
        "heat": {(r, kind): plots.heat(sweep, r, kind) for r in reductions for kind in ("data", "updates")},
        "collapse_plot": plots.collapse(sweep, plots.well_below(sweep)) if "mean" in reductions else Html(""),
        "noise_plot": plots.noise(sweep),
        "tables": {(c.reduction, c.kind, c.goal): _comparison(sweep, c) for c in sweep.comparisons},
        "headline_tables": [_comparison(sweep, c) for r in reductions if (c := sweep.comparison(r, "target"))],
        "noise_table": _noise(sweep) if sweep.noise else Html(""),
        "rate": short,
        "count": _count,
        "settings": panels.plain("Settings", {key: _setting(value) for key, value in sweep.settings.items()}),
        "made": panels.plain(
            "Made with",
            {
                **sweep.versions,
                "machine": sweep.machine,
                "started": sweep.started,
                "took": f"{number(sweep.seconds)} s",
            },
        ),
    }


def _growths(found: Comparison | None) -> str:
    """How the best learning rate grows, with the seeds' ranges; nothing where that cannot be said."""
    if found is None or found.below is None or found.above is None or found.overall is None:
        return ""
    parts = [
        ("Well below the critical batch size it", found.below),
        ("From the critical batch size on it", found.above),
    ]
    if found.below.exponent is None:
        parts = [("Over all batch sizes it", found.overall)]
    return " ".join(f"{where} {_growth(growth)}." for where, growth in parts if growth.exponent is not None)


def _growth(growth: Growth) -> str:
    """An exponent in words, with the seeds' range."""
    low, middle, high = (fixed(value or 0.0, 2) for value in (growth.low, growth.exponent, growth.high))
    where = f"batch sizes {growth.first} to {growth.last}"
    return f"{moves(growth.exponent or 0.0)} (exponent {middle}, seeds {low} to {high}; {where})"


def _comparison(sweep: Sweep, found: Comparison) -> Html:
    """Each batch size at its best learning rate."""
    goals = {
        "target": f"fewest updates to a training loss of {found.goal:g}",
        "data": f"lowest training loss after {thousands(sweep.data_rows)} {sweep.unit}",
        "updates": f"lowest training loss after {thousands(sweep.updates)} updates",
    }
    timed = found.kind == "target"
    rows = [
        (
            thousands(best.batch_size),
            _lr(best),
            _own(best),
            _count(best.updates),
            *((_spread(best.value, counts=True),) if timed else (_loss(best.value.median), _spread(best.value))),
            _count(best.rows),
        )
        for best in found.best
    ]
    middle = ["seeds"] if timed else ["loss", "seeds"]
    head = ["batch size", "best lr", "seeds’ own", "updates", *middle, sweep.unit]
    return table(f"{found.reduction}: {goals[found.kind]}", head, rows)


def _noise(sweep: Sweep) -> Html:
    """Noise by loss, and the fitted critical batch size beside it."""
    fits = {
        c.goal: c.critical for c in sweep.comparisons if c.critical and c.reduction == sweep.comparisons[0].reduction
    }
    rows = []
    for each in sweep.noise:
        fit = fits.get(each.loss)
        rows.append(
            (
                number(each.loss),
                _count(each.updates),
                _value(each.gradient),
                _value(each.variance),
                join([_count(each.scale.median), tag("span", f" {_spread(each.scale, counts=True)}", class_="soft")]),
                _count(each.estimated.median),
                _count(each.curved.median) if each.curved else _NONE,
                _value(each.longest_lr) if each.longest_lr else _NONE,
                _count(fit.batch_size) if fit else _NONE,
            )
        )
    head = ["loss", "updates", "|G|²", "tr Σ", "tr Σ/|G|²", "two batches", "curved", "longest lr", "critical, fit"]
    return table("The gradient’s noise where the loss is first reached", head, rows)


def _lr(best: Best) -> Html | str:
    """The best learning rate, or that none is called so."""
    if best.lr is not None:
        return short(best.lr)
    if best.lr_seen is None:
        return tag("span", best.refused, class_="soft")
    return join([tag("strong", "edge "), short(best.lr_seen)])


def _own(best: Best) -> str:
    """The seeds' own best learning rates."""
    if best.lr_low is None or best.lr_high is None:
        return _NONE
    own = short(best.lr_low) if best.lr_low == best.lr_high else f"{short(best.lr_low)} – {short(best.lr_high)}"
    return own + (f" ({best.seeds_at_edge} at the edge)" if best.seeds_at_edge and best.lr is not None else "")


def _spread(value: Spread, *, counts: bool = False) -> str:
    """Lowest and highest over the seeds."""
    if value.median is None:
        return _NONE
    form = _count if counts else _loss
    return f"{form(value.low)} – {form(value.high)}"


def _value(value: Spread) -> str:
    """A median."""
    return _NONE if value.median is None else number(value.median)


def _count(value: float | None) -> str:
    """Updates or rows, small ones with a digit after the point."""
    if value is None:
        return _NONE
    return fixed(value, 1) if value < 10 and value != round(value) else thousands(round(value))  # noqa: PLR2004  # two digits


def _loss(value: float | None) -> str:
    """A loss."""
    return _NONE if value is None else number(value)


def _setting(value: object) -> str | float | None:
    """A setting for the table."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(short(v) if isinstance(v, float) else str(v) for v in value) or "0"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
