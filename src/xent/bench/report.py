"""A run as one self-contained page: what came out, tables, plots, what it ran on, how to repeat it."""

from xent._page import Html, bar, figure, join, name, page, table, tag
from xent.bench import plots, stats
from xent.bench.machine import BUSY
from xent.bench.peers import COPIES, OURS, PRODUCTS
from xent.bench.record import Measured, Record, Result
from xent.bench.text import duration, number, remarks, size, ulps

_FIXED = "\N{NO-BREAK SPACE}"
_STYLE = (
    "tr.ours th, tr.ours td { font-weight: 650; } .shape { margin-top: 2.25rem; } td .bar { vertical-align: middle; }"
)


def render(record: Record) -> str:
    """The page. MissingError without matplotlib is the caller's: plots are imported here."""
    title = "Softmax cross-entropy: time, memory, error"
    body = join(
        [
            tag("p", "xent bench", class_="over"),
            tag("h1", title),
            _lead(record),
            _summary(record),
            _pictures(record),
            tag("h2", "Shape by shape"),
            _legend(record),
            *(_shape(record, each) for each in record.shapes),
            _machine(record),
            _calls(record),
        ]
    )
    return page(title, body, style=_STYLE)


def _lead(record: Record) -> Html:
    here = record.machine
    rounds = record.options.get("rounds", 0)
    words = (
        f"{rounds} interleaved rounds on {here.get('processor')}, {here.get('threads')} threads, "
        f"{record.started.replace('T', ' ').replace('+00:00', ' UTC')}. "
    )
    parts = [tag("p", words, "Every peer runs in its own process and is visited once a round.", class_="lead")]
    if rounds < stats.FEWEST:
        parts.append(tag("p", f"{rounds} rounds are few: state a median of {stats.FEWEST} or more."))
    if (busiest := max((each.busy or 0.0 for each in record.shapes), default=0.0)) > BUSY:
        words = f"The machine was busy with other work, up to {busiest:.0%} of its CPUs: measure again on a quiet one."
        parts.append(tag("p", tag("strong", words)))
    return join(parts)


def _summary(record: Record) -> Html:
    """A line a shape: ours beside the fastest and the best known peer."""
    rows = []
    for measured in record.shapes:
        ours, best, eager = measured.of(OURS), measured.best_peer, measured.of("torch")
        if ours is None:
            continue
        ratio = measured.ratio(ours)
        rows.append(
            [
                measured.task.name.replace(" ", _FIXED),
                duration(ours.median),
                "" if ratio is None else number(ratio),
                "" if best is None else f"{number(measured.faster(ours, best))} ×",
                "" if best is None else record.label(best.peer),
                "" if eager is None else f"{number(measured.faster(ours, eager))} ×",
                ulps(ours.worst),
                "" if best is None else ulps(best.worst),
            ]
        )
    if not rows:
        return Html("")
    columns = ["", "xent", "× copy", "fastest peer takes", "which is", "eager torch takes", "ULP, xent", "ULP, fastest"]
    caption = "xent, and how many times as long others take; linear layers over the bare products instead of a copy"
    return join([tag("h2", "In short"), table(caption, columns, rows, text_columns=(0, 4))])


def _pictures(record: Record) -> Html:
    plain = [each for each in record.shapes if not each.task.hidden and not each.skipped]
    linear = [each for each in record.shapes if each.task.hidden]
    swept = plots.sweeps(record)
    in_sweeps = {each.task for found in swept.values() for each in found}
    in_sweeps -= {max(found, key=lambda each: each.task.elements).task for found in swept.values()}
    alone = [each for each in plain if each.task not in in_sweeps]  # of a sweep, the largest shape only
    drawn = [
        (
            "Time",
            plots.times(record, alone, prefix="t-"),
            ("Time over that of a copy of the logits (dashed), which is as fast as memory allows. Left is fast."),
        ),
        (
            "Time with the linear layer",
            plots.times(record, linear, prefix="l-", reference="the three bare matrix products"),
            "The layer before the loss included. The dashed line is the products alone.",
        ),
        *(
            (
                f"Growth with {by}",
                plots.growth(record, found, by=by, prefix=f"{by[0]}-"),
                (
                    f"Nanoseconds a logit as the number of {by} grows. A flat line grows in proportion; "
                    "where it falls, a call's fixed cost is shared by more."
                ),
            )
            for by, found in swept.items()
        ),
        (
            "Error against time",
            plots.errors(record, plain or linear, prefix="e-"),
            (
                "Each mark is a shape. The worst error in units in the last place, rows that are sure of their target "
                "included. Fast and right is left and low."
            ),
        ),
    ]
    shown = [figure(join([tag("h3", head), picture]), words) for head, picture, words in drawn if picture]
    return join([tag("h2", "Pictures"), tag("div", *shown, class_="side")]) if shown else Html("")


def _legend(record: Record) -> Html:
    return tag(
        "p",
        "Spread is half the distance of the quartiles. Memory is what a call takes at most beyond what it is given. "
        "ULP is the worst error of loss and gradient, in units in the last place of their dtype; “sure rows” the same "
        "where targets win by 12 to 40 nats, as late in training. ",
        f"Times are medians of {record.options.get('rounds')} rounds, ratios medians of the rounds' own ratios.",
        class_="soft",
    )


def _shape(record: Record, measured: Measured) -> Html:
    task = measured.task
    head = tag("h3", task.name, class_="shape")
    if measured.skipped:
        return join([head, tag("p", f"Not measured: {measured.skipped}.")])
    timed = sorted((each for each in measured.results if each.seconds), key=lambda each: each.median)
    slowest = max((each.median for each in timed), default=1.0)
    reference = "products" if task.hidden else "copy"
    columns = ["", "time", "spread", f"× {reference}", "ns a logit", "memory", "ULP", "sure rows"]
    rows = [_row(record, measured, each, slowest) for each in timed]
    parts: list[object] = [head, table(task.words(), columns, rows)]
    outside = [each for each in measured.results if each.failed or each.refused]
    parts += [tag("p", tag("strong", sentence)) for sentence in remarks(record, measured)]
    if outside:
        items = [tag("li", f"{record.label(each.peer)}: ", _why(each)) for each in outside]
        parts.append(tag("ul", *items, class_="soft"))
    return join(parts)


def _row(record: Record, measured: Measured, each: Result, slowest: float) -> list[object]:
    reference = each.peer in COPIES or each.peer == PRODUCTS
    ratio = measured.ratio(each)
    label: object = record.label(each.peer)
    return [
        tag("strong", label) if each.peer == OURS else label,
        join([duration(each.median), bar(each.median / slowest, "a" if each.peer == OURS else "b")]),
        f"{each.spread:.0%}",
        "" if ratio is None else number(ratio),
        number(each.median / measured.task.elements * 1e9),
        "" if reference else size(each.extra),
        "" if reference or each.ordinary is None else ulps(each.ordinary.worst),
        "" if reference or each.confident is None else ulps(each.confident.worst),
    ]


def _why(each: Result) -> Html:
    return join(["failed: ", tag("code", each.failed)]) if each.failed else join([each.refused or ""])


def _machine(record: Record) -> Html:
    rows = []
    for key, value in record.machine.items():
        rows.append([key.replace("_", " "), _said(value)])
    repeat = tag("pre", tag("code", record.command), class_="command")
    return join(
        [
            tag("h2", "Machine"),
            table("What it ran on", [], rows, text_columns=(0, 1)),
            tag("p", "To repeat it:"),
            repeat,
        ]
    )


def _said(value: object) -> str:
    """A fact about the machine."""
    if isinstance(value, dict):
        return ", ".join(f"{level} {much}" for level, much in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    return str(value)


def _calls(record: Record) -> Html:
    rows = []
    for about in record.peers.values():
        label = name(about.get("label", ""))
        if about.get("missing"):
            rows.append([label, f"not in it: {about['missing']}", ""])
        elif "call" in about:
            versions = ", ".join(f"{package} {number}" for package, number in about.get("versions", {}).items())
            rows.append([label, tag("code", about["call"]), versions])
    return join(
        [tag("h2", "Calls"), table("What was called", ["peer", "call", "versions"], rows, text_columns=(0, 1, 2))]
    )
