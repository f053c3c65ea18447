"""The answer of `xent explain --why` for a terminal: at most 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xent.graph.numbers import plain, short

if TYPE_CHECKING:
    from xent.train.same_steps import Compared
    from xent.train.why import Why

WIDTH = 80
SHOWN = ("the book, volume 1", "PyTorch, class indices", "PyTorch, probabilities", "Keras, sum_over_batch_size",
         "Hugging Face Trainer", "DDP and FSDP, as they come")  # fmt: skip
MORE = (
    ("your numbers", "xent explain --why --logits '1 2 3; 3 2 1' --targets '2 0'"),
    ("micro-batches", "xent explain --micro-batches 2"),
    ("ranks", "xent explain iris --rows 6 --ranks 2"),
    ("padding", "xent explain --logits '1 2; 3 1; 0 0' --targets '1 0 -100'"),
    ("lr × batch size", "xent sweep"),
)


def head(answer: Why) -> str:
    """The first two lines."""
    n = plain(answer.divisor)
    word = "N" if answer.divided_by == n else "D"
    return (
        "y − t is the gradient of ONE item. Your batch's loss is the MEAN of its items,\n"
        f"so the last node divides by {word} = {n}, and so does its backward."
    )


def claims(answer: Why) -> str:
    """Which gradient belongs to which loss."""
    where = f"x{answer.item}[{answer.place}]"
    lines = [f"  {'loss':<15} {'L':>8}  {'gradient at ' + where:<21} nudge {where} by ±1e-4"]
    for claim in answer.claims:
        factor = abs(claim.gradient / claim.nudged) if claim.nudged else 0.0
        mark = "✓" if claim.right else f"✗ {plain(factor)} times too long"
        gradient = f"{claim.formula} = {short(claim.gradient)}"
        lines.append(f"  {claim.name:<15} {short(claim.loss):>8}  {gradient:<21} {short(claim.nudged):>8}  {mark}")
    return "\n".join(lines)


def dividers(answer: Why) -> str:
    """Who divides by what."""
    lines = ["  Divide in forward and in backward, or in neither. Most people divide:"]
    for row in answer.conventions:
        if row.name in SHOWN:
            if row.divisor is None and row.loss is None:
                lines.append(f"    {row.name:<28} – {row.why}")
                continue
            by = f"÷ {plain(row.divisor)}" if row.divisor is not None else ""
            lines.append(f"    {row.name:<28} {row.rule:<29} {by:<8} {short(row.loss or 0.0)}")
    return "\n".join(lines)


def rates(answer: Why) -> str:
    """What is the same as a learning rate, and what is not."""
    lines = [
        "  Is it only a learning rate?  The sum with lr/N against the mean with lr,",
        "  on 200 handwritten digits, 20 epochs; how far apart the weights end:",
    ]
    lines += [
        f"    {row.setting:<28} {row.words:<18} {amount(row):>6}  {remedy(row)}".rstrip() for row in answer.compared
    ]
    lines.append(f"  (trained {2 * len(answer.compared) + 3} times just now, in {answer.seconds:.2f} s)")
    return "\n".join(lines)


def amount(row: Compared) -> str:
    """A difference: a share in per cent, rounding as a power of ten.

    >>> from xent.train.same_steps import Compared
    >>> amount(Compared("", 0.0)), amount(Compared("", 3.5e-16)), amount(Compared("", 0.1409))
    ('0', '4e-16', '14 %')
    """
    if row.difference == 0.0:
        return "0"
    return f"{row.difference:.0e}" if row.same else f"{100 * row.difference:.0f} %"


def remedy(row: Compared) -> str:
    """What makes them equal again."""
    return f"yes with {row.remedy}" if row.remedied is not None else ""


def more() -> str:
    """Where the story goes on."""
    return "\n".join(f"  {label:<16} {command}" for label, command in MORE)


def text(answer: Why, graphs: tuple[str, str]) -> str:
    """Everything, around the drawings of the mean and of the sum."""
    return "\n\n".join([head(answer), *graphs, claims(answer), dividers(answer), rates(answer), more()])
