"""SGD, momentum and Adam: each turns a gradient into a step, in place, on one vector of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from xent.core.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Optimizer(Protocol):
    """What the loop asks of an optimiser."""

    lr: float

    def step(self, vector: Floats, gradient: Floats) -> None:
        """Move `vector` (P,) by one step against `gradient` (P,). Writes `vector` and the own state."""

    def state(self) -> dict[str, Floats]:
        """What has to be kept to go on later, by name; the arrays themselves, to be read or written."""

    def words(self) -> str:
        """Name and settings, for people."""


class SGD:
    """Plain gradient descent: x ← x − lr·g.

    >>> x = np.array([1.0, 2.0])
    >>> SGD(2, lr=0.5).step(x, np.array([1.0, -1.0]))
    >>> x
    array([0.5, 2.5])
    """

    default_lr: ClassVar[float] = 0.1

    def __init__(self, size: int, lr: float) -> None:  # noqa: ARG002  # the signature all three share
        self.lr = lr

    def step(self, vector: Floats, gradient: Floats) -> None:
        """Move `vector` (P,) by one step against `gradient` (P,)."""
        vector -= self.lr * gradient

    def state(self) -> dict[str, Floats]:
        """Nothing is remembered."""
        return {}

    def words(self) -> str:
        """Name and settings, for people."""
        return f"SGD, lr {self.lr:g}"


class Momentum:
    """Heavy ball: v ← 0.9·v − lr·g, x ← x + v.

    Source: Polyak 1964, doi:10.1016/0041-5553(64)90137-5.

    >>> x, ball = np.array([1.0]), Momentum(1, lr=0.5)
    >>> ball.step(x, np.array([1.0]))
    >>> ball.step(x, np.array([0.0]))
    >>> x
    array([0.05])
    """

    default_lr: ClassVar[float] = 0.02
    beta: ClassVar[float] = 0.9

    def __init__(self, size: int, lr: float) -> None:
        self.lr = lr
        self.velocity: Floats = np.zeros(size)

    def step(self, vector: Floats, gradient: Floats) -> None:
        """Move `vector` (P,) by one step against `gradient` (P,)."""
        self.velocity *= self.beta
        self.velocity -= self.lr * gradient
        vector += self.velocity

    def state(self) -> dict[str, Floats]:
        """The velocity."""
        return {"velocity": self.velocity}

    def words(self) -> str:
        """Name and settings, for people."""
        return f"SGD with momentum {self.beta:g}, lr {self.lr:g}"


class Adam:
    """Adam: steps of about lr, whatever the gradient's length; β₁ = 0.9, β₂ = 0.999, ε = 1e-8.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², x ← x − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε).
    Source: Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.

    >>> x, adam = np.array([1.0, 1.0]), Adam(2, lr=0.1)
    >>> adam.step(x, np.array([5.0, -0.001]))
    >>> x.round(6)  # the first step is lr, whatever the gradient
    array([0.9     , 1.099999])
    """

    default_lr: ClassVar[float] = 0.005
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    epsilon: ClassVar[float] = 1e-8

    def __init__(self, size: int, lr: float) -> None:
        self.lr = lr
        self.mean: Floats = np.zeros(size)
        self.square: Floats = np.zeros(size)
        self.steps: Floats = np.zeros(1)
        self._work: Floats = np.empty(size)

    def step(self, vector: Floats, gradient: Floats) -> None:
        """Move `vector` (P,) by one step against `gradient` (P,)."""
        self.steps += 1.0
        t = float(self.steps[0])
        one, two = self.betas
        work = self._work
        np.multiply(gradient, 1.0 - one, out=work)
        self.mean *= one
        self.mean += work
        np.multiply(gradient, gradient, out=work)
        work *= 1.0 - two
        self.square *= two
        self.square += work
        np.divide(self.square, 1.0 - two**t, out=work)
        np.sqrt(work, out=work)
        work += self.epsilon
        np.divide(self.mean, work, out=work)
        work *= self.lr / (1.0 - one**t)
        vector -= work

    def state(self) -> dict[str, Floats]:
        """Both moving averages and the number of steps."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}

    def words(self) -> str:
        """Name and settings, for people."""
        return f"Adam, lr {self.lr:g}"


OPTIMIZERS: dict[str, type[SGD | Momentum | Adam]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam}


def optimizer(name: str, size: int, lr: float | None) -> Optimizer:
    """The optimiser of that name for `size` parameters; `lr` None takes its default. OptionError for another name.

    >>> optimizer("adam", 3, None).words()
    'Adam, lr 0.005'
    """
    try:
        kind: Callable[[int, float], Optimizer] = OPTIMIZERS[name]
    except KeyError:
        raise OptionError(f"optimizer is {name!r}: it must be one of {', '.join(OPTIMIZERS)}.") from None
    return kind(size, OPTIMIZERS[name].default_lr if lr is None else lr)
