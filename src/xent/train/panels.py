"""The tables and pictures of report.html: from fields of the record to HTML."""

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.image
import numpy as np

from xent._page import Html, bar, fixed, join, name, number, scroll, share, table, tag, thousands, visible
from xent.train.run import Confused, Divided, Epoch, PerClass, Worst

FIRST = 20
"""Rows of a long table that stand open; the others are folded away."""
_EPOCHS = 40
"""Epochs in the table of numbers; of a longer run one in k, and the first, the kept and the last."""
_PIXELS = 64
"""Sides of a picture at most: a larger one is averaged over blocks, so that the page stays small."""
_TINTS = 5
_SHORT = 14
"""Characters of a class name above a column of the confusion matrix."""
_WORDS = 400
"""Characters of a row in words."""
_NONE = "–"


def matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Html:
    """The confusion matrix; a cell is tinted by its share of its row, right ones on the diagonal in one colour."""
    turned = "turned" if max(map(len, classes)) > 3 else None  # noqa: PLR2004 -- as wide as a count
    short = [name(whole, _SHORT, counted=False) for whole in classes]
    heads = [tag("th", tag("span", cut), scope="col", class_=turned) for cut in short]
    body = []
    for i, counts in enumerate(confusion):
        whole = sum(counts)
        cells = [tag("td", count, class_=_tint(count, whole, right=i == j)) for j, count in enumerate(counts)]
        body.append(tag("tr", tag("th", short[i], scope="row"), *cells))
    caption = "Confusion matrix: targets down, answers across"
    inside = (tag("caption", caption), tag("thead", tag("tr", tag("td"), *heads)), tag("tbody", *body))
    return scroll(caption, tag("table", *inside, class_="matrix"))


def _tint(count: int, whole: int, *, right: bool) -> str | None:
    if not count:
        return "none"
    return f"{'right' if right else 'wrong'} t{math.ceil(_TINTS * count / whole)}"


def pairs(confused: Sequence[Confused], unit: str) -> Html:
    """Which class was taken for which, most often first."""
    most = max(pair.count for pair in confused)
    rows = [
        (name(pair.target), name(pair.predicted), join([thousands(pair.count), bar(pair.count / most, "b")]))
        for pair in confused
    ]
    return folded("Most confused pairs", ["target", "taken for", f"test {unit}s"], rows, text_columns=(0, 1))


def classes(per_class: Sequence[PerClass], unit: str, *, hardest_first: bool) -> Html:
    """How each class did."""
    if hardest_first:
        per_class = sorted(per_class, key=lambda c: (c.f1 is None, c.f1 or 0.0))
    rows = [
        (name(c.name), thousands(c.support), _part(c.precision), _part(c.recall), join([_part(c.f1), bar(c.f1 or 0.0)]))
        for c in per_class
    ]
    caption = f"Test {unit}s by class{', hardest first' if hardest_first else ''}"
    return folded(caption, ["class", f"{unit}s", "precision", "recall", "F1"], rows)


def _part(value: float | None) -> str:
    return _NONE if value is None else share(value)


def folded(
    caption: str, head: Sequence[object], rows: Sequence[Sequence[object]], text_columns: Iterable[int] = (0,)
) -> Html:
    """A table whose first rows stand open; what is more is folded away below, and counted."""
    text_columns = tuple(text_columns)
    first = table(caption, head, rows[:FIRST], text_columns=text_columns)
    rest = rows[FIRST:]
    if not rest:
        return first
    more = table(f"{caption} (continued)", head, rest, text_columns=text_columns)
    return join([first, tag("details", tag("summary", f"{thousands(len(rest))} more"), more)])


def card(row: Worst, unit: str) -> Html:
    """One of the worst rows: its picture or its words, what it is and what the model said."""
    said = [
        tag("div", tag("dt", what), tag("dd", name(value, 30), class_="wrong" if value != row.target else None))
        for what, value in (("target", row.target), ("answer", row.predicted))
    ]
    facts = (
        f"gave the target {share(row.probability)}",
        tag("br"),
        f"loss {fixed(row.loss, 2)} · {'paragraph' if unit == 'token' else 'row'} {thousands(row.row)}",
    )
    after = tag("span", "after ", class_="soft") if unit == "token" else ""
    words = tag("p", after, tag("bdi", visible(row.words, _WORDS)), class_="words")
    told = tag(
        "div", tag("dl", *said), tag("p", *facts, class_="soft"), words if row.words and row.image is None else ""
    )
    return tag("li", _picture(row) if row.image else "", told)


def _picture(row: Worst) -> Html:
    grey = np.nan_to_num(np.asarray(row.image, dtype=np.float64), nan=0.0)
    block = -(-max(grey.shape) // _PIXELS)
    down, across = (min(block, side) for side in grey.shape)
    high, wide = grey.shape[0] // down, grey.shape[1] // across
    grey = grey[: high * down, : wide * across].reshape(high, down, wide, across).mean(axis=(1, 3))
    png = io.BytesIO()
    nothing = {"Software": None}  # else the version of matplotlib is in every picture
    matplotlib.image.imsave(png, grey, cmap="gray_r", vmin=0, vmax=1, format="png", metadata=nothing)  # type: ignore[arg-type]  # None leaves it out
    data = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    return tag("img", src=data, alt=f"picture of row {row.row}", width=wide, height=high)


def epochs(measured: Sequence[Epoch], kept: int) -> Html:
    """The numbers behind the curves."""
    step = -(-len(measured) // _EPOCHS)
    last = len(measured) - 1
    chosen = [e for i, e in enumerate(measured) if i % step == 0 or i == last or e.epoch == kept]
    rows = [
        (
            join([e.epoch, tag("span", " kept", class_="soft")]) if e.epoch == kept else e.epoch,
            *map(fixed, (e.train_loss, e.validation_loss)),
            *map(share, (e.train_accuracy, e.validation_accuracy)),
            *map(number, (e.gradient_norm_median, e.gradient_norm_max)),
            thousands(round(e.rows_per_second)) if math.isfinite(e.rows_per_second) else _NONE,
        )
        for e in chosen
    ]
    left_out = len(measured) - len(chosen)
    caption = "Epoch by epoch" + (
        f" ({thousands(left_out)} left out here; metrics.jsonl has them all)" if left_out else ""
    )
    head = [
        "epoch",
        "train loss",
        "validation",
        "train accuracy",
        "validation",
        "‖gradient‖ median",
        "largest",
        "rows/s",
    ]
    return table(caption, head, rows, text_columns=())


def plain(caption: str, values: Mapping[str, str | float | bool | None]) -> Html:
    """Names and values."""
    return table(caption, [], [(name(key), _value(value)) for key, value in values.items()], text_columns=(0, 1))


def _value(value: str | float | bool | None) -> Html:  # noqa: FBT001 -- whatever a setting is
    if value is None:
        return Html(_NONE)
    if isinstance(value, bool):
        return Html("yes" if value else "no")
    return name(value, 200) if isinstance(value, str) else join([number(value, 6)])


def amount(value: float) -> str:
    r"""A divisor: a count in full, a sum of weights with four digits.

    >>> amount(12345.0), amount(64.04871), amount(0.001)
    ('12\xa0345', '64.05', '0.001')
    """
    return thousands(int(value)) if value.is_integer() else number(value, 4)


def divisors(divided: Divided) -> Html:
    """What the batches of an epoch were divided by, and what a row weighs for it beside the largest divisor."""
    if divided.divisors:
        known = [(thousands(d.batches), d.divisor) for d in divided.divisors]
    else:
        known = [("largest", divided.highest), ("median", divided.median), ("smallest", divided.lowest)]
    unit = {"weight": "of weight"}.get(divided.unit, divided.unit)
    most, least = divided.highest, divided.lowest
    rows = [
        (
            which,
            f"{amount(value)} {unit}".strip(),
            join([f"{fixed(most / value, 2)} ×", bar(least / value, "a" if value == most else "b")]),
        )
        for which, value in known
    ]
    one = {"rows": "a row", "tokens": "a token"}.get(divided.unit, "a row")
    head = ["batches" if divided.divisors else "batch", "divided by", f"{one} weighs"]
    return table("The batches of an epoch", head, rows, text_columns=())


def example(row: Worst, divided: Divided, hit: float) -> Html:
    """What one row's y − t at its target's logit becomes in the batches of this run.

    hit   what t is at the target: 1, or less with label smoothing
    """
    alone = row.probability - hit
    lengths = sorted(
        {d.divisor for d in divided.divisors} or {divided.lowest, divided.median, divided.highest}, reverse=True
    )
    first = ("alone: y − t", f"{share(row.probability)} − {number(hit)} = {fixed(alone)}")
    rest = ((f"divided by {amount(d)}", number(alone / d)) for d in lengths)
    what = "paragraph" if divided.unit == "tokens" else "row"
    return table(f"{what.capitalize()} {thousands(row.row)}: the gradient at its target’s logit", [], [first, *rest])
