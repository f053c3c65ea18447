"""What `xent train` and `xent predict` say in the end, as lines of at most 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xent.cli.terminal import filled, joined, visible
from xent.fit.columns import grouped

if TYPE_CHECKING:
    from xent.train.repeat import Repeated
    from xent.train.run import Divided, Evaluation, Run
    from xent.train.session import Session

_NOTES = 20  # remarks on the data that are shown; the report has them all
_LABEL = 15  # columns


def head(session: Session) -> str:
    """The first lines: data, split, model, division."""
    from xent.train.dividing import rule

    data, options, fit = session.prepared, session.options, session.fit
    divisors = "paragraphs" if data.kind == "text" else "rows"
    left = len(data.train) % fit.batch_size
    last = f", the last {left}" if left else ""
    batches = f"batches of {fit.batch_size} {divisors}{last}"
    if len(data.train) <= fit.batch_size:
        batches = f"one batch of {len(data.train)} {divisors}"
    cut = f", cut in {options.micro_batches}" if options.micro_batches > 1 else ""
    sizes = [
        f"{name} {grouped(part.size)}"
        for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test))
    ]
    lines = [
        filled(data.task, rest="  "),
        joined([*sizes[:2], f"{sizes[2]} {data.unit if data.kind == 'text' else ''}".rstrip() + f" ({data.split})"]),
        joined(
            [
                data.architecture.words(),
                f"{grouped(len(fit.model.vector))} parameters",
                fit.optimizer.words(),
                f"{batches}{cut}",
            ]
        ),
        filled(rule(options, data.unit), rest="  "),
        *(filled(note, "  ", "    ") for note in data.notes[:_NOTES]),
    ]
    if len(data.notes) > _NOTES:
        lines.append(f"  … and {len(data.notes) - _NOTES} more remarks, all in the report")
    return "\n".join(lines)


def result(run: Run) -> str:
    """What came out, and what to do with it."""
    test = run.test
    unit = "tokens" if run.kind == "text" else "rows"
    perplexity = f"   perplexity {test.perplexity:.1f}" if run.kind == "text" else ""
    alike = ", as if tokens were independent" if run.kind == "text" else ""
    right = f"{grouped(test.correct)} of {grouped(test.count)}"
    lines = [
        filled(f"stopped: {run.stopped_because}; epoch {run.best_epoch} kept", " ", "   "),
        "",
        _line("test", f"loss {_loss(test.loss)}{perplexity}   accuracy {test.accuracy:.3f}   {right}"),
        _line("", f"95 % interval of the accuracy {test.low:.3f} – {test.high:.3f}{alike}"),
        _line("to compare", _baseline(test, unit)),
        *_confused(test),
        *_divided(run.divided),
        "",
        joined([f" {run.folder}/", "report.html", "model.safetensors", "metrics.jsonl"], "   "),
        _line("open", f"{run.folder}/report.html"),
        _line("again", run.command),
        *(_line("use it", command) for command in run.next_commands),
    ]
    return "\n".join(lines)


def repeated(result: Repeated) -> str:
    """Median and range over seeds."""
    lines = [
        filled(f"{result.task}: {len(result.seeds)} seeds, {result.seeds[0]} to {result.seeds[-1]}", rest="  "),
        _line(
            "test accuracy", f"median {result.median:.4f}   lowest {result.lowest:.4f}   highest {result.highest:.4f}"
        ),
        _line("test loss", f"median {result.median_loss:.4f}"),
        _line("epochs", f"median {result.median_epochs:g}"),
        _line("each seed", " ".join(f"{accuracy:.3f}" for accuracy in result.accuracies)),
        _line("again", result.command),
    ]
    return "\n".join(lines)


def _line(label: str, text: str) -> str:
    """A label and its text; a command stays on one line."""
    if text.startswith("xent "):
        return f" {label:<{_LABEL}}{visible(text)}"
    return filled(text, f" {label:<{_LABEL}}", " " * (_LABEL + 1))


def _loss(loss: float) -> str:
    """A loss that is not 0 does not look like 0.

    >>> _loss(0.1259), _loss(0.0000321)
    ('0.126', '3.2e-05')
    """
    return f"{loss:.3f}" if loss == 0.0 or loss >= 0.0005 else f"{loss:.1e}"  # noqa: PLR2004  # rounds to 0.001


def _baseline(test: Evaluation, unit: str) -> str:
    """What is reached without looking at the rows."""
    if unit == "tokens":
        return (
            f"always {test.baseline_class!r}: accuracy {test.baseline_accuracy:.3f}; "
            f"always the training frequencies: loss {test.baseline_loss:.3f}"
        )
    return (
        f"always the commonest class: accuracy {test.baseline_accuracy:.3f}; "
        f"always the class frequencies: loss {test.baseline_loss:.3f}"
    )


def _confused(test: Evaluation) -> list[str]:
    """The pairs of classes that were mixed up most."""
    if not test.most_confused:
        return []
    pairs = [f"{pair.target} → {pair.predicted}  {pair.count}×" for pair in test.most_confused[:3]]
    indent = " " * (_LABEL + 1)
    return [f" {'most confused':<{_LABEL}}" + joined(pairs, "    ", indent).removeprefix(indent)]


def _divided(by: Divided) -> list[str]:
    """What this very run divided by."""
    if by.reduction == "sum":
        return [_line("divided by", "nothing: the gradient grows with the number of rows in a batch")]
    if by.lowest == by.highest:
        where = "the one batch" if by.batches == 1 else f"all {by.batches} batches"
        number = f"{by.median:g} {by.unit}".rstrip()
        return [_line("divided by", f"{number} in {where} of an epoch")]
    if by.divisors:
        numbers = " and ".join(
            f"{d.divisor:.6g} {by.unit} ({d.batches} batch{'es' * (d.batches != 1)})" for d in by.divisors[:3]
        )
        more = " and others" if len(by.divisors) > 3 else ""  # noqa: PLR2004  # as many as fit a line
        text = f"{numbers}{more} an epoch: "
    else:
        text = f"{by.lowest:.6g} to {by.highest:.6g} {by.unit}, by the batch: "
    what = {"rows": "row", "tokens": "token"}.get(by.unit, "unit of weight")
    if [d.divisor for d in by.divisors] == [by.highest, by.last] and by.divisors[1].batches == 1:
        text += f"in the last batch a {what} weighs {by.ratio:.3g} times as much as elsewhere."
    else:
        text += f"where that is smallest a {what} weighs {by.ratio:.3g} times as much as where it is largest."
    if by.advice:
        text += f" {by.advice}."
    return [_line("divided by", text)]
