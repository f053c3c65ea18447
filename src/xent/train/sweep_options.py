"""The options of `xent sweep`: their values, checks and defaults, and the command that gives them again."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from xent.core.errors import OptionError
from xent.fit.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from collections.abc import Mapping

REDUCTIONS = ("mean", "sum")
EXPONENTS = {  # of the powers of two tried first: (lowest, highest)
    ("sgd", "mean"): (-7, 5),
    ("sgd", "sum"): (-9, -1),
    ("momentum", "mean"): (-10, 2),
    ("momentum", "sum"): (-12, -4),
    ("adam", "mean"): (-11, -1),
    ("adam", "sum"): (-11, -1),  # Adam divides by the gradient's length: a sum wants the learning rate of a mean
}
_OCTAVES = 60  # in a range at most
_SHORT = 6  # characters of a learning rate in a table
_PLAIN = 1e6  # a fraction whose lower part is larger is written as a decimal number


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What a sweep was asked for; None where the default depends on the data.

    >>> SweepOptions(batch_size=(1, 2, 4), lr=(0.25, 0.5), seeds=3).command()
    'xent sweep digits --batch-size 1,2,4 --lr 1/4,1/2 --seeds 3'
    """

    data: str = "digits"
    target: str | None = None
    test: str | None = None
    rows: int = 4096  # training rows used at most
    hidden: tuple[int, ...] = ()
    optimizer: str = "sgd"
    reduction: tuple[str, ...] = REDUCTIONS
    batch_size: tuple[int, ...] | None = None  # None: 1, 2, 4 … up to the training rows
    lr: tuple[float, ...] | None = None  # None: powers of two, more of them where the best is the first or the last
    reach: tuple[float, ...] | None = None  # None: four losses that every batch size can reach
    seeds: int = 5
    seed: int = 0
    epochs: float = 5.0  # what every batch size sees for the comparison at equal data
    updates: int = 30  # what every batch size makes for the comparison at equal updates

    def __post_init__(self) -> None:
        """Check every value that does not need the data. OptionError names the option and what is allowed."""
        _require(self.rows >= 2, "--rows", self.rows, "a whole number above 1")  # noqa: PLR2004  # two to tell apart
        _require(all(w >= 1 for w in self.hidden), "--hidden", self.hidden, "whole numbers above 0, or 0 alone")
        _require(self.optimizer in OPTIMIZERS, "--optimizer", self.optimizer, " | ".join(OPTIMIZERS))
        known = bool(self.reduction) and set(self.reduction) <= set(REDUCTIONS) and _different(self.reduction)
        _require(known, "--reduction", self.reduction, "mean, sum, or mean,sum")
        for name in ("batch_size", "lr", "reach"):
            values = getattr(self, name)
            fine = values is None or (bool(values) and _different(values) and all(0 < v < math.inf for v in values))
            _require(fine, f"--{name.replace('_', '-')}", values, "different numbers above 0")
        for name in ("seeds", "updates"):
            _require(getattr(self, name) >= 1, f"--{name}", getattr(self, name), "a whole number above 0")
        _require(0 < self.epochs < math.inf, "--epochs", self.epochs, "a number above 0")
        _require(0 <= self.seed < 2**63 - self.seeds, "--seed", self.seed, "a whole number from 0 to 2**63 - 1")

    def first_lrs(self, reduction: str) -> tuple[float, ...]:
        """The learning rates tried first, rising."""
        if self.lr is not None:
            return tuple(sorted(self.lr))
        low, high = EXPONENTS[self.optimizer, reduction]
        return tuple(2.0**k for k in range(low, high + 1))

    def settings(self) -> dict[str, Any]:
        """Every option with its value, as JSON can hold it."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The options again. OptionError if these are not settings of a sweep."""
        if set(settings) != {f.name for f in fields(cls)}:
            raise OptionError(
                "the settings of the sweep are damaged: they are not the options of this version of xent."
            )
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
        return cls(**values)

    def command(self) -> str:
        """The command line with these options; an option at its default is left out."""
        words = ["xent", "sweep", self.data]
        for f in fields(self)[1:]:
            value = getattr(self, f.name)
            if value != f.default:
                words += [f"--{f.name.replace('_', '-')}", written(value)]
        return shlex.join(words)


def written(value: Any) -> str:  # noqa: ANN401  # an option's value
    """A value as the command line takes it.

    >>> written((0.25, 3.0, 0.1)), written(()), written("adam")
    ('1/4,3,0.1', '0', 'adam')
    """
    if isinstance(value, tuple):
        return ",".join(map(written, value)) or "0"
    return rate(value) if isinstance(value, float) else str(value)


def rate(value: float) -> str:
    """A learning rate in words: one over a power of two as such, every other number with all its digits.

    >>> rate(2**-1), rate(4.0), rate(0.2), rate(1 / 3), rate(2.0**-30)
    ('1/2', '4', '0.2', '1/3', '9.313225746154785e-10')
    """
    below = round(1 / value) if 1 / _PLAIN < value < 1 else 0
    power = below and not below & (below - 1)
    if below and 1 / below == value and (power or len(f"1/{below}") < len(repr(value))):
        return f"1/{below}"
    return str(int(value)) if value.is_integer() and value < _PLAIN else repr(value)


def short(value: float) -> str:
    """A learning rate for a table: as `rate` says it, or with three digits where that is long.

    >>> short(2.0**-9), short(2.0**-14), short(1 / 3), short(0.123456)
    ('1/512', '6.1e-05', '1/3', '0.123')
    """
    exact = rate(value)
    return exact if len(exact) <= _SHORT else f"{value:.3g}"


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers and fractions in a list, or doubling from one to another. ValueError for other text.

    >>> parse_numbers("1/4,0.5,2"), parse_numbers("1/4..2"), parse_numbers("3..15")
    ((0.25, 0.5, 2.0), (0.25, 0.5, 1.0, 2.0), (3.0, 6.0, 12.0))
    """
    low, dots, high = text.partition("..")
    if not dots:
        return tuple(map(_number, text.split(",")))
    first, last = _number(low), _number(high)
    if not 0 < first <= last < math.inf or last / first > 2.0**_OCTAVES:
        raise ValueError(f"{text!r} is no range")
    return tuple(first * 2.0**k for k in range(math.floor(math.log2(last / first)) + 1))


def parse_sizes(text: str) -> tuple[int, ...]:
    """Whole numbers in a list, or doubling from one to another. ValueError for other text.

    >>> parse_sizes("1..16"), parse_sizes("100,64")
    ((1, 2, 4, 8, 16), (100, 64))
    """
    numbers = parse_numbers(text)
    if not all(number.is_integer() for number in numbers):
        raise ValueError(f"{text!r} has a number that is not whole")
    return tuple(map(int, numbers))


def _number(text: str) -> float:
    """A number or a fraction."""
    try:
        return float(Fraction(text.strip()))
    except (ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r} is too large, or divides by 0") from None


def _different(values: tuple[Any, ...]) -> bool:
    """Whether no value is there twice."""
    return len(set(values)) == len(values)


def _require(ok: bool, name: str, came: object, allowed: str) -> None:  # noqa: FBT001  # the condition
    """OptionError unless `ok`."""
    if not ok:
        raise OptionError(f"{name} is {came if isinstance(came, str) else _shown(came)}: it must be {allowed}.")


def _shown(came: object) -> str:
    """What came, as it was written; a list's numbers in their order."""
    if isinstance(came, tuple):
        return ",".join(map(_shown, came)) or ("0" if came == () else "")
    return f"{came:g}" if isinstance(came, float) else str(came)
