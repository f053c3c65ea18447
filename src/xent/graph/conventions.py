"""One batch under every rule of what a mean divides by: PyTorch's, Keras', the book's, and others', by name."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from xent._page.text import fixed
from xent.graph.choose import cut
from xent.graph.exact import Floats, Goal
from xent.graph.numbers import plain
from xent.graph.receive import Batch


@dataclass(frozen=True, slots=True)
class Convention:
    """What one library calls the mean of this batch."""

    name: str
    rule: str  # what it divides by, in words
    here: str  # how to say it to xent
    divisor: float | None  # None where the rule does not apply, or is no single number
    loss: float | None  # in nats; NaN where the library gives NaN
    why: str = ""  # why it does not apply, or what is special


@dataclass(frozen=True, slots=True)
class Conventions:
    """All of them."""

    rows: tuple[Convention, ...]

    def __iter__(self) -> Iterator[Convention]:
        """Each."""
        return iter(self.rows)

    def __getitem__(self, name: str) -> Convention:
        """One, by its name. KeyError."""
        return {row.name: row for row in self.rows}[name]

    def __str__(self) -> str:
        """A table of at most 80 columns."""
        width = max(len(row.name) for row in self.rows)
        lines = [f"{'who':<{width}}  {'÷':>7}  {'loss':>8}  divides by"]
        for row in self.rows:
            divisor = "" if row.divisor is None else plain(row.divisor)
            loss = "–" if row.loss is None else fixed(row.loss, 4)
            words = row.rule if row.loss is not None else f"({row.why})"
            line = f"{row.name:<{width}}  {divisor:>7}  {loss:>8}  {words}"
            lines.append(line)
        return "\n".join(lines)

    def to_dict(self) -> list[dict[str, object]]:
        """For JSON; a NaN is None with its reason in `why`."""
        names = ("name", "rule", "here", "divisor", "loss", "why")
        records = [{name: getattr(row, name) for name in names} for row in self.rows]
        for record in records:
            if isinstance(record["loss"], float) and not math.isfinite(record["loss"]):
                record |= {"loss": None, "why": record["why"] or str(record["loss"])}
        return records


class Sums:
    """The sums that the rules divide."""

    def __init__(self, batch: Batch, floats: Floats) -> None:
        """Each item's loss, in float64 by the textbook formula; ignored ones are not read."""
        self.batch = batch
        self.goals = [Goal(batch, i) for i in range(batch.count)]
        self.soft = any(not isinstance(t, int) for t in batch.targets)
        self.weighted = [0.0] * batch.count  # sample weight × class weight × loss
        for i, goal in enumerate(self.goals):
            if goal.counts:
                self.weighted[i] = floats[i][0]
        self.items = sum(not goal.ignored for goal in self.goals)
        odd = any(not g.ignored and (not g.counts or (self.soft and g.raw_mass != 1)) for g in self.goals)
        self.otherwise = "it smooths such rows otherwise" if batch.spec.soft and odd else ""

    def over(self, divisor: float | Fraction) -> float:
        """The weighted sum over a divisor; NaN over 0."""
        return _sum(self.weighted) / float(divisor) if divisor else math.nan


def conventions(
    batch: Batch, micro_batches: object = None, ranks: object = None, floats: Floats | None = None
) -> Conventions:
    """The loss of a batch under every rule."""
    sums = Sums(batch, Floats(batch) if floats is None else floats)
    n, items = batch.count, sums.items
    weights = float(sum((goal.weight for goal in sums.goals), Fraction(0)))
    no_samples = "" if batch.sample_weight is None else "it has no sample weights"
    no_weights = no_samples or ("" if batch.weight is None else "its loss has no weights")
    ignores = "" if items == n else "it cannot ignore a row"
    spoken = "" if sums.soft or items == n else "ignore_index needs indices"
    over = {d: sums.over(d) for d in (weights, items, n)}
    zero = {d: 0.0 if math.isnan(loss) and not d else loss for d, loss in over.items()}
    of_items, of_batch = 'denominator="items"', 'denominator="batch"'
    labels = "denominator=their number"
    rows = [
        Convention("xent, default", "weights of rows that count", "default", weights, zero[weights]),
        Convention("xent, items", "rows not ignored", of_items, items, zero[items]),
        Convention("xent, batch", "all rows", of_batch, n, zero[n]),
        _unless(sums.soft * "the targets are probabilities" or no_samples or sums.otherwise, "PyTorch, class indices",
                "class weights of the targets", "default", weights, over[weights]),
        _unless(spoken or no_samples or sums.otherwise, "PyTorch, probabilities", "rows, whatever the weights",
                of_batch, n, over[n]),
        Convention("Keras, sum_over_batch_size", "elements, weight 0 included", of_items, items, zero[items]),
        Convention("Keras, mean_with_sample_weight", "sample weights", "default", weights, zero[weights]),
        _unless(ignores or no_weights, "the book, volume 1", "rows", of_batch, n, over[n]),
        _unless(no_weights, "the book, volume 2, Time", "positions not ignored", of_items, items, over[items]),
        _unless(no_samples, "Hugging Face Trainer", "labels of the whole step", labels, items, over[items]),
        _ranks(sums, micro_batches, ranks),
    ]  # fmt: skip
    return Conventions(tuple(rows))


def _sum(numbers: list[float]) -> float:
    """An exact sum; what is not finite stays so."""
    return math.fsum(numbers) if all(map(math.isfinite, numbers)) else sum(numbers)


def _unless(why: str, name: str, rule: str, here: str, divisor: float, loss: float) -> Convention:
    """A convention; or why it has nothing to say of this batch."""
    if why:
        return Convention(name, rule, here, None, None, why)
    return Convention(name, rule, here, divisor, loss, "" if divisor else "NaN: nothing counts")


def _ranks(sums: Sums, micro_batches: object, ranks: object) -> Convention:
    """Each part's own mean, and the mean of those."""
    name, rule = "DDP and FSDP, as they come", "own counts, then ranks"
    kind, pieces = cut(sums.batch.count, micro_batches, ranks)
    if not kind:
        return Convention(name, rule, "denominator=the global count", None, None, "one rank: say ranks=2")
    means = []
    for start, stop in pieces:
        weight = float(sum((goal.weight for goal in sums.goals[start:stop]), Fraction(0)))
        means.append(_sum(sums.weighted[start:stop]) / weight if weight else math.nan)
    loss = sum(means) / len(means)
    why = "NaN: a rank has nothing that counts" if math.isnan(loss) else "right for equal counts only"
    return Convention(name, rule, "denominator=the global count", None, loss, why)
