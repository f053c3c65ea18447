"""Every option of the loss, once: its name, default, check and meaning."""

import math
import numbers
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from xent.core import errors

REDUCTIONS = ("mean", "sum", "none")
DENOMINATORS = ("weights", "items", "batch")
RETURNS = ("lse", "entropy", "log_prob", "z_loss", "accuracy", "predicted", "sum", "denominator")
DENOMINATOR_CHOICES = 'None, "weights", "items", "batch" or a finite number > 0'
THREADS = "None or a whole number >= 1"
BEYOND = 2**1024  # the first whole number that no float64 reaches; infinity is beyond it too
PYTORCH_IGNORE = -100  # the ignore_index that never raises

Reduction = Literal["mean", "sum", "none"]
Denominator = Literal["weights", "items", "batch"]
F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = """\
weight: (V,) real numbers >= 0, or None. Class weights. Read. A row counts with the weight of its class (for
    probability targets q with the sum of weight × q); a row whose weight is 0 does not count.
sample_weight: the batch shape, real numbers, or None. Row weights. Read. Negative ones (policy gradients) need a
    numeric denominator, or reduction "sum" or "none".
ignore_index: the class index that marks a row to be left out; None ignores nothing. -100 (default) is harmless
    where it cannot occur; any other value raises where the targets' dtype cannot hold it, or with probability rows.
label_smoothing: a in [0, 1]: the target becomes (1 - a)·q + a·(sum of q)/V.
reduction: "mean" divides the weighted sum once; "sum" does not divide; "none" returns weighted losses of all rows
    (and as gradient that of their sum).
denominator: what "mean" divides by. None or "weights": the sum of the weights of the rows that count, before
    smoothing. "items": rows that are not ignored, whatever their weight. "batch": all rows, ignored ones too. A number
    > 0: just that, such as the count of the whole step, so that micro-batches and ranks add up.
axis: the class axis of the logits.
lse_square_scale: z-loss: adds scale·lse² to every row that counts, times its sample_weight, not its class weight.
softcap: c > 0 or None: the logits become c·tanh(x/c). After logit_scale.
logit_scale: s > 0: the logits become s·x.
returns: names of further results, out of "lse", "entropy", "log_prob", "z_loss", "accuracy", "predicted", "sum",
    "denominator". The loss is then a named tuple whose first field is `loss`. lse, entropy, log_prob, accuracy (1 where
    the first largest logit is the target, or the largest probability) and predicted have the batch shape, and are 0
    (predicted: -1) in rows that do not count; z_loss follows reduction; sum and denominator are float64.
threads: how many threads at most; None: as many as this process may use (CPU affinity, cgroup quota,
    XENT_NUM_THREADS, OMP_NUM_THREADS). Results do not depend on it."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The options of a call, except those that are arrays and the denominator (which changes from call to call).

    >>> Spec(label_smoothing=0.1).soft, Spec().plain
    (True, True)
    """

    ignore_index: int | None = PYTORCH_IGNORE
    label_smoothing: float = 0.0
    reduction: Reduction = "mean"
    axis: int = -1
    lse_square_scale: float = 0.0
    softcap: float | None = None
    logit_scale: float = 1.0
    returns: tuple[str, ...] = ()
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every option. OptionError: a bad value; KindError: a wrong type."""
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_returns(self.returns)
        plain = {
            "label_smoothing": float(check_range("label_smoothing", self.label_smoothing, 0.0, 1.0)),
            "axis": check_whole("axis", self.axis, "a whole number"),
            "lse_square_scale": float(check_range("lse_square_scale", self.lse_square_scale, 0.0, math.inf)),
            "logit_scale": float(check_positive("logit_scale", self.logit_scale)),
        }
        if self.ignore_index is not None:
            plain["ignore_index"] = check_whole("ignore_index", self.ignore_index, "None or a whole number")
        if self.softcap is not None:
            plain["softcap"] = float(check_positive("softcap", self.softcap))
        if self.threads is not None:
            plain["threads"] = check_whole("threads", self.threads, THREADS)
            if self.threads < 1:
                raise errors.bad_option("threads", self.threads, THREADS)
        for name, number in plain.items():  # NumPy's scalars become Python's
            object.__setattr__(self, name, number)

    @property
    def soft(self) -> bool:
        """Whether a class index becomes a probability row."""
        return self.label_smoothing != 0.0

    @property
    def plain(self) -> bool:
        """Whether the logits are used as they are and nothing is added to the loss."""
        return self.softcap is None and self.logit_scale == 1.0 and self.lse_square_scale == 0.0


@lru_cache(maxsize=512, typed=True)  # typed: else True, 1 and 1.0 would share an entry
def make_spec(*options: object) -> Spec:
    """A Spec from its fields in order; checked once for each set of options.

    >>> make_spec() is make_spec()
    True
    """
    return Spec(*options)  # type: ignore[arg-type]  # __post_init__ checks what came


def check_denominator(denominator: object, reduction: str) -> Denominator | float:
    """The denominator as one of its names or a number > 0. OptionError, KindError.

    >>> check_denominator(None, "sum"), check_denominator(64, "mean")
    ('weights', 64)
    """
    if denominator is None:
        return "weights"
    if reduction != "mean":
        raise errors.bad_option(
            "denominator",
            denominator,
            f'None with reduction="{reduction}"',
            "Only a mean is divided: drop one of them.",
        )
    if isinstance(denominator, str):
        if denominator not in DENOMINATORS:
            raise errors.bad_option("denominator", denominator, DENOMINATOR_CHOICES)
        return denominator  # type: ignore[return-value]  # one of DENOMINATORS
    return check_positive("denominator", denominator, DENOMINATOR_CHOICES)


def check_positive(name: str, came: object, allowed: str = "a finite number > 0") -> float:
    """A finite number > 0, exact: a whole number stays one. OptionError, KindError.

    >>> check_positive("denominator", 3)
    3
    """
    number = _number(name, came, allowed)
    if not 0 < number < BEYOND:
        raise errors.bad_option(name, came, allowed)
    return number


def check_range(name: str, came: object, low: float, high: float) -> float:
    """A finite number in [low, high]. OptionError, KindError."""
    allowed = f"a number in [{low:g}, {high:g}]" if high < math.inf else f"a finite number >= {low:g}"
    number = _number(name, came, allowed)
    if not (low <= number <= high and number < BEYOND):
        raise errors.bad_option(name, came, allowed)
    return number


def check_number(name: str, came: object) -> float:
    """A finite number. OptionError, KindError."""
    number = _number(name, came, "a finite number")
    if not -BEYOND < number < BEYOND:
        raise errors.bad_option(name, came, "a finite number")
    return number


def check_whole(name: str, came: object, allowed: str) -> int:
    """A whole number, not a bool. KindError."""
    if isinstance(came, bool) or not isinstance(came, numbers.Integral):
        raise errors.bad_kind(name, came, allowed)
    return int(came)


def check_choice(name: str, came: object, choices: tuple[str, ...]) -> str:
    """One of the choices. OptionError, KindError.

    >>> check_choice("reduction", "average", REDUCTIONS)
    Traceback (most recent call last):
    xent.core.errors.OptionError: reduction is 'average': it must be one of 'mean', 'sum', 'none'.
    """
    allowed = "one of " + ", ".join(repr(choice) for choice in choices)
    if not isinstance(came, str):
        raise errors.bad_kind(name, came, allowed)
    if came not in choices:
        raise errors.bad_option(name, came, allowed)
    return came


def check_returns(came: object) -> None:
    """A tuple of names, each once. OptionError, KindError."""
    if not isinstance(came, tuple):
        names = (came,) if isinstance(came, str) else tuple(came) if isinstance(came, list) else ("lse",)
        raise errors.bad_kind("returns", came, "a tuple of names", f"For example returns={names!r}.")
    for place, name in enumerate(came):
        check_choice(f"returns[{place}]", name, RETURNS)
    if len(set(came)) != len(came):
        raise errors.bad_option("returns", came, "a tuple of different names")


def quotes_options(function: F) -> F:
    """Decorator: put the meaning of every option the function has where its docstring says <options>."""
    if function.__doc__:  # None under -OO
        names = function.__kwdefaults__ or {}
        blocks = re.split(r"\n(?=\w+: )", OPTIONS)
        quoted = "\n".join(block for block in blocks if block.split(":")[0] in names)
        function.__doc__ = function.__doc__.replace("<options>", textwrap.indent(quoted, " " * 8).lstrip())
    return function


def _number(name: str, came: object, allowed: str) -> float:
    """A Python int or float, or one of NumPy's scalars as such; not a bool, and no Fraction (it would be rounded)."""
    if isinstance(came, bool) or not isinstance(came, numbers.Real):
        raise errors.bad_kind(name, came, allowed)
    if isinstance(came, numbers.Integral):
        return int(came)
    if isinstance(came, numbers.Rational):
        raise errors.bad_kind(name, came, allowed)
    return float(came)


DEFAULT = Spec()  # every option at its default
