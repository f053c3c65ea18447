"""The options of `xent train`: their values, checks and defaults, and the command that gives them again."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from xent.core.errors import OptionError
from xent.fit.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from collections.abc import Mapping

DENOMINATORS = ("weights", "items", "batch")
BY_KIND = {  # defaults that depend on the data
    "table": {"hidden": (64,), "batch_size": 64, "epochs": 300},
    "text": {"hidden": (64,), "batch_size": 16, "epochs": 10, "patience": 2},
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for; None where the default is taken.

    >>> Options(lr=0.01, hidden=(32, 16), seed=3).command()
    'xent train digits --hidden 32,16 --lr 0.01 --seed 3'
    """

    data: str = "digits"
    target: str | None = None
    test: str | None = None
    hidden: tuple[int, ...] | None = None  # None: see BY_KIND
    optimizer: str = "adam"
    lr: float | None = None  # None: the optimiser's
    batch_size: int | None = None  # rows, or paragraphs of text
    epochs: int | None = None
    patience: int | None = None  # None for a table: `patience_of` the steps in an epoch
    reduction: str = "mean"
    denominator: str | float | None = None
    label_smoothing: float = 0.0
    class_weight: str | None = None
    micro_batches: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value that does not need the data. OptionError names the option and what is allowed."""
        _require(
            not any(width < 1 for width in self.hidden or ()),
            "--hidden",
            self.hidden,
            "whole numbers above 0, or 0 alone",
        )
        _require(self.optimizer in OPTIMIZERS, "--optimizer", self.optimizer, " | ".join(OPTIMIZERS))
        _require(self.lr is None or 0 < self.lr < math.inf, "--lr", self.lr, "a number above 0")
        for name in ("batch_size", "epochs", "patience", "micro_batches"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"--{name.replace('_', '-')}", value, "a whole number above 0")
        _require(self.reduction in ("mean", "sum"), "--reduction", self.reduction, "mean | sum")
        named = self.denominator is None or self.denominator in DENOMINATORS
        allowed = f"{' | '.join(DENOMINATORS)} | a number above 0"
        _require(named or _positive(self.denominator), "--denominator", self.denominator, allowed)
        if self.denominator is not None and self.reduction == "sum":
            raise OptionError("--denominator goes with --reduction mean only: a sum is not divided.")
        _require(0.0 <= self.label_smoothing <= 1.0, "--label-smoothing", self.label_smoothing, "a number from 0 to 1")
        _require(self.class_weight in (None, "balanced"), "--class-weight", self.class_weight, "balanced")
        _require(0 <= self.seed < 2**63, "--seed", self.seed, "a whole number from 0 to 2**63 - 1")

    def resolved(self, kind: str) -> Self:
        """The same with the defaults of "table" or "text" in place of None; the learning rate's too."""
        chosen = {name: value for name, value in BY_KIND[kind].items() if getattr(self, name) is None}
        lr = OPTIMIZERS[self.optimizer].default_lr if self.lr is None else self.lr
        return replace(self, lr=lr, **chosen)  # type: ignore[arg-type]  # values of BY_KIND are those of the fields

    def settings(self) -> dict[str, Any]:
        """Every option with its value, as JSON can hold it."""
        return {f.name: _as_json(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The options again. OptionError if these are not settings of a run."""
        if set(settings) != {f.name for f in fields(cls)}:
            raise OptionError("the settings of the run are damaged: they are not the options of this version of xent.")
        hidden = settings["hidden"]
        return cls(**{**settings, "hidden": None if hidden is None else parse_hidden(str(hidden))})

    def command(self) -> str:
        """The command line with these options; an option at its default is left out."""
        words = ["xent", "train", self.data]
        for f in fields(self)[1:]:
            value = getattr(self, f.name)
            if value != f.default:
                words += [f"--{f.name.replace('_', '-')}", str(_as_json(value))]
        return shlex.join(words)


def patience_of(steps: int) -> int:
    """Epochs of `steps` steps without a better validation loss after which it is time to stop: 10, and 200 steps.

    >>> patience_of(20), patience_of(2)
    (10, 100)
    """
    return max(10, math.ceil(200 / steps))


def parse_hidden(text: str) -> tuple[int, ...]:
    """The widths in "64" or "64,32"; none in "0". ValueError for other text.

    >>> parse_hidden("64,32"), parse_hidden("0")
    ((64, 32), ())
    """
    widths = tuple(map(int, text.split(",")))
    return () if widths == (0,) else widths


def parse_denominator(text: str) -> str | float:
    """A name, or a number. ValueError for other text.

    >>> parse_denominator("items"), parse_denominator("64")
    ('items', 64.0)
    """
    return text if text in DENOMINATORS else float(text)


def _require(ok: bool, name: str, came: object, allowed: str) -> None:  # noqa: FBT001  # the condition
    """OptionError unless `ok`."""
    if not ok:
        raise OptionError(f"{name} is {_as_json(came)}: it must be {allowed}.")


def _positive(value: object) -> bool:
    """Whether `value` is a finite number above 0."""
    return isinstance(value, (int, float)) and 0 < value < math.inf


def _as_json(value: Any) -> Any:  # noqa: ANN401  # an option's value
    """Widths as the option is written, whole numbers without a point, everything else as it is."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "0"
    return int(value) if isinstance(value, float) and value.is_integer() and value >= 1 else value
