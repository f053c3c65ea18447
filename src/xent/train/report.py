"""report.html of a training run: one self-contained page, from the record of the run alone.

The words are in templates/report.html.j2, the drawings in plots.py, the tables and cards in panels.py.
"""

import math
import re
from functools import cache

import jinja2

from xent._page import Html, escape, fixed, name, number, page, share, thousands, visible
from xent.train import panels, plots
from xent.train.divided_graph import STYLE, divided_graph
from xent.train.run import Epoch, Run

_MATRIX = 30
"""Up to this many classes the confusion matrix stands first; with more, the most confused pairs say more."""
_NOTES = 40
"""Remarks on the data that are listed; a table of thousands of columns can have thousands."""
_CARDS = 9
"""Worst rows that stand open; the others are folded away."""


def render(run: Run) -> str:
    """The report as one HTML document: no script, nothing remote, everything that came from the data escaped.

    run   the record of the run; NaN and infinite losses are shown as such

    Returns text that can be written as UTF-8, under 1 MB. It writes nothing: saving it is the caller's.
    """
    body = templates().get_template("report.html.j2").render(run=run, **_facts(run))
    style = templates().get_template("report.css").render() + STYLE
    return page(f"{visible(run.title)}: accuracy {share(run.test.accuracy)} · xent train", Html(body), style=style)


@cache
def templates() -> jinja2.Environment:
    """The templates of both reports, and what they may call."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("xent.train"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "fixed": fixed,
        "number": number,
        "share": share,
        "thousands": thousands,
        "name": name,
        "text": visible,
    }
    made.filters |= {
        "options": options,
        "amount": panels.amount,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
    }
    return made


def options(text: str) -> Html:
    """A sentence with its command-line options set as code, which does not break after its hyphens.

    >>> options("--denominator 64 weighs all rows alike")
    '<code class="nowrap">--denominator</code> 64 weighs all rows alike'
    """
    return Html(re.sub(r"(--[a-z][a-z-]*)", r'<code class="nowrap">\1</code>', escape(text)))


def _facts(run: Run) -> dict[str, object]:
    """What the template shows that is not in the record as it stands."""
    test, kept = run.test, run.best_epoch
    mean = run.divided.reduction == "mean"
    unit = "token" if run.kind == "text" else "row"
    measured = [epoch.epoch for epoch in run.epochs]
    marked = kept if kept in measured else None
    lost = [e.epoch for e in run.epochs if not (math.isfinite(e.train_loss) and math.isfinite(e.validation_loss))]
    many = len(run.classes) > _MATRIX
    smoothing = float(run.settings.get("label_smoothing") or 0.0)
    divisors = run.divided.divisors
    size = divisors[0].divisor if divisors else run.divided.median
    hit = 1.0 - smoothing + smoothing / max(len(run.classes), 1)
    return {
        "unit": unit,
        "kept": next((epoch for epoch in run.epochs if epoch.epoch == kept), None),
        "lost": lost,
        "adaptive": run.optimizer.lower().startswith("adam"),
        "interval": plots.interval(
            test.accuracy,
            test.low,
            test.high,
            test.baseline_accuracy,
            label=f"accuracy {share(test.accuracy)} between {share(test.low)} and {share(test.high)}, "
            f"commonest class {share(test.baseline_accuracy)}",
            prefix="interval-",
        ),
        "loss_curve": _curves(run.epochs, "loss", marked),
        "accuracy_curve": _curves(run.epochs, "accuracy", marked),
        "norm_start": next((e for e in run.epochs if math.isfinite(e.gradient_norm_median)), None),
        "norm_peak": max(
            (e for e in run.epochs if math.isfinite(e.gradient_norm_max)),
            key=lambda e: e.gradient_norm_max,
            default=None,
        ),
        "norm_curve": plots.by_epoch(
            measured,
            [
                plots.Curve("largest", "b", (1.5, 1.5), [e.gradient_norm_max for e in run.epochs]),
                plots.Curve("median", "a", None, [e.gradient_norm_median for e in run.epochs]),
            ],
            title="gradient length",
            label="curves of the gradient's length by epoch; the numbers are in the table below",
            prefix="norm-",
        ),
        "epoch_table": panels.epochs(run.epochs, kept),
        "many": many,
        "matrix": panels.matrix(test.confusion, run.classes) if test.confusion and not many else Html(""),
        "pairs": panels.pairs(test.most_confused, unit) if test.most_confused else Html(""),
        "class_table": panels.classes(test.per_class, unit, hardest_first=many),
        "cards": [panels.card(row, unit) for row in test.worst],
        "open_cards": _CARDS,
        "notes": _NOTES,
        "smoothing": smoothing,
        "hit": hit,
        "divisors": panels.divisors(run.divided) if mean else Html(""),
        "example": panels.example(test.worst[0], run.divided, hit) if mean and test.worst else Html(""),
        "graph": divided_graph(test.worst, run.divided, size, smoothing=smoothing, unit=unit) if mean else Html(""),
        "settings": panels.plain("Settings", run.settings),
        "made": panels.plain(
            "Made with",
            {**run.versions, "machine": run.machine, "started": run.started, "took": f"{number(run.seconds)} s"},
        ),
    }


def _curves(epochs: tuple[Epoch, ...], what: str, marked: int | None) -> Html:
    """Train and validation values of `loss` or `accuracy`; told apart by dashes as well as colour."""
    return plots.by_epoch(
        [epoch.epoch for epoch in epochs],
        [
            plots.Curve("train", "a", None, [getattr(epoch, f"train_{what}") for epoch in epochs]),
            plots.Curve("validation", "b", (4, 2), [getattr(epoch, f"validation_{what}") for epoch in epochs]),
        ],
        title="loss, nats" if what == "loss" else what,
        label=f"curves of the {what} by epoch, train and validation; the numbers are in the table below",
        prefix=f"{what}-",
        kept=marked,
    )
