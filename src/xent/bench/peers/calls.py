"""What a peer hands to the process that times it."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Loss = Any  # a NumPy scalar or an array of no axes


class Refused(Exception):  # noqa: N818  # not an error: the peer does not offer this
    """The peer does not offer the task; the text says what of it."""


@dataclass
class Prepared:
    """A task, ready to be called.

    ways      by name: calls that do all of the work and end when their results are there. Of several, the fastest is
              timed: every peer gets its best setting
    read      (loss, gradients) of what a call returned, as NumPy holds them; gradients () for the loss only
    restore   run before every call and not timed: puts back logits that the call writes over
    """

    ways: dict[str, Callable[[], Any]]
    read: Callable[[Any], tuple[Loss, Sequence[Array]]]
    restore: Callable[[], None] | None = None
    keeps: list[Any] = field(default_factory=list)  # what has to stay alive


def package(name: str) -> Any:  # noqa: ANN401  # a module, typed or not
    """An optional package, whose types are not relied on: it may be missing where this is checked."""
    return importlib.import_module(name)


def versions_of(*names: str) -> dict[str, str]:
    """Their versions, as installed."""
    return {name: version(name) for name in names}


def half(dtype: str) -> bool:
    """Whether NumPy computes in this dtype one number at a time, so that its users convert to float32 first."""
    return dtype in {"float16", "bfloat16"}


def working(logits: Array) -> Array:
    """The logits in a dtype that NumPy computes in."""
    return logits.astype(np.float32) if half(logits.dtype.name) else logits


def refuse_linear(task: Any, who: str) -> None:  # noqa: ANN401  # Task
    """Refused for a linear task."""
    if task.hidden:
        raise Refused(f"{who} has no linear layer with a loss")
