"""The record of one training run: what the terminal prints, run.json keeps and report.html draws.

Plain frozen records, no arithmetic: whoever shows a run needs this file alone. Losses are in nats
per row ("row" is a token for text); accuracies, precisions and probabilities are fractions of 1.
`Run.to_dict` gives what JSON can hold, and `Run.from_dict` the equal record back.

>>> divisor = Divisor.from_dict({"divisor": 64.0, "batches": 19})
>>> divisor, divisor.to_dict()
(Divisor(divisor=64.0, batches=19), {'divisor': 64.0, 'batches': 19})
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Self


class Record:
    """A frozen dataclass that goes to JSON and back."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Dicts, lists, strings, numbers, booleans and None, in the order of the fields."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record whose `to_dict` is `values`; ValueError names a field that is missing or unknown."""
        hints = typing.get_type_hints(cls)
        if set(values) != set(hints):
            odd = sorted(set(values) ^ set(hints))
            raise ValueError(f"{cls.__name__}: fields that are missing or unknown: {', '.join(odd)}")
        return cls(**{name: _typed(hints[name], value) for name, value in values.items()})


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch(Record):
    """One pass over the training rows, and what was measured after it."""

    epoch: int  # counted from 1
    train_loss: float  # over the epoch's rows while the weights moved; with class weights and smoothing as trained
    validation_loss: float  # plain cross-entropy: no class weights, no smoothing
    train_accuracy: float  # over the epoch's rows while the weights moved
    validation_accuracy: float
    gradient_norm_median: float  # Euclidean norm of the whole gradient, over the epoch's steps
    gradient_norm_max: float
    seconds: float  # of training and validation; not reproducible
    rows_per_second: float  # training rows over training seconds; not reproducible


@dataclasses.dataclass(frozen=True, slots=True)
class PerClass(Record):
    """How one class did on the test rows."""

    name: str
    support: int  # test rows of this class
    predicted: int  # test rows predicted as this class
    precision: float | None  # None: never predicted
    recall: float | None  # None: no test row
    f1: float | None  # None: neither


@dataclasses.dataclass(frozen=True, slots=True)
class Confused(Record):
    """A pair of classes that was mixed up."""

    target: str
    predicted: str
    count: int  # test rows


@dataclasses.dataclass(frozen=True, slots=True)
class Worst(Record):
    """A test row with a high loss."""

    row: int  # counted from 1, in the source (paragraph for text)
    target: str
    predicted: str
    loss: float
    probability: float  # what the model gave the target
    image: tuple[tuple[float, ...], ...] | None  # grey levels, 0 (paper) to 1 (ink), row by row; None: no picture
    words: str  # the row in words ("sepal_l 5.1, …"; for text the tokens before the target); may be ""


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """What the kept weights do on rows that had no say in anything."""

    loss: float  # plain cross-entropy, nats per row
    perplexity: float  # exp(loss)
    accuracy: float
    low: float  # 95 % interval of the accuracy (Wilson)
    high: float
    correct: int
    count: int  # rows (tokens for text)
    baseline_accuracy: float  # always the commonest training class
    baseline_class: str
    baseline_loss: float  # always the training frequencies
    confusion: (
        tuple[tuple[int, ...], ...] | None
    )  # [target][predicted], in the order of Run.classes; None over 50 classes
    most_confused: tuple[Confused, ...]  # most frequent first, at most 20
    per_class: tuple[PerClass, ...]  # all classes in order; over 100 classes the 50 with most test rows
    worst: tuple[Worst, ...]  # highest loss first, at most 24


@dataclasses.dataclass(frozen=True, slots=True)
class Divisor(Record):
    """A number that batches of one epoch were divided by."""

    divisor: float
    batches: int


@dataclasses.dataclass(frozen=True, slots=True)
class Divided(Record):
    """What this very run divided the summed losses of its batches by; counted in its last epoch."""

    reduction: str  # "mean" or "sum"
    denominator: str | float | None  # as set: None, "weights", "items", "batch" or a number
    rule: str  # the rule, one line: "each batch's loss is its mean: the sum over its rows / the rows that count"
    unit: str  # what a divisor counts: "rows", "tokens", "weight"; "" for a sum or a number
    batches: int  # steps in an epoch
    micro_batches: int  # pieces a batch was cut into; the divisor is the whole batch's all the same
    divisors: tuple[Divisor, ...]  # commonest first; empty when there are more than 8 different ones
    lowest: float  # over the batches of the epoch
    median: float
    highest: float
    last: int  # rows in the last batch
    ratio: float  # how many times as much a row weighs in the lightest-divided batch as in the heaviest; 1: all alike
    advice: str  # "--denominator 64 weighs all rows alike"; "" when they already do


@dataclasses.dataclass(frozen=True, slots=True)
class Run(Record):
    """One training run from its data to its test."""

    title: str  # "digits", "flowers.csv"
    source: str  # the DATA argument as given: a built-in name or a path
    kind: str  # "table" or "text"
    task: str  # the first line: "digits: 1797 rows, 64 features, 10 classes"
    classes: tuple[str, ...]
    features: int  # columns before any coding; for text the number of context tokens
    rows: dict[str, int]  # "train", "validation", "test"; tokens for text
    split: str  # "stratified, seed 0", or "test rows from late.csv"
    notes: tuple[str, ...]  # remarks on the data, a line each
    model: str  # "one hidden layer of 64 (ReLU)"
    parameters: int  # numbers that were trained
    optimizer: str  # "Adam, lr 0.005"
    settings: dict[str, str | float | int | bool | None]  # every option with its value
    command: str  # gives this run again
    next_commands: tuple[str, ...]  # "xent predict runs/digits-1 new.csv"
    folder: str  # where the run's files are
    epochs: tuple[Epoch, ...]
    best_epoch: int  # the one whose weights were kept
    stopped_because: str  # "no better validation loss for 10 epochs", "100 epochs done"
    test: Evaluation
    divided: Divided
    versions: dict[str, str]  # "python", "xent", "numpy", …
    machine: str  # "Linux x86_64, 2 cores"
    started: str  # ISO 8601 with offset, to the second; not reproducible
    seconds: float  # of all epochs together; not reproducible


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever a field holds
    """`value` in JSON's types."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, dict) else value


def _typed(hint: Any, value: Any) -> Any:  # noqa: ANN401  # the inverse of _plain
    """`value` as the type `hint` asks for."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next((arm for arm in hint.__args__ if arm is not types.NoneType and _is_compound(arm)), object)
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    if typing.get_origin(hint) is tuple:
        return tuple(_typed(typing.get_args(hint)[0], item) for item in value)
    return dict(value) if typing.get_origin(hint) is dict else value


def _is_compound(hint: Any) -> bool:  # noqa: ANN401  # a type, or a generic alias, which is none
    return typing.get_origin(hint) is not None or issubclass(hint, Record)
