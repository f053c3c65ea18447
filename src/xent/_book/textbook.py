"""The formulas of *Deep Learning from Scratch* for softmax with loss, stated anew: what ours is compared with.

Written from the books' mathematics and from what their layers do, oddities included; no line is copied. They are here
to be compared with, by `xent.book.compare()` and by the tests; nothing computes with them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DELTA = 1e-7  # what the book adds to a probability before it takes the logarithm
Array = NDArray[Any]


def softmax(x: Array) -> Array:
    """Volume 1: exp(x − max) over its sum, along the last axis."""
    terms = np.exp(x - x.max(axis=-1, keepdims=True))
    shares: Array = terms / terms.sum(axis=-1, keepdims=True)
    return shares


def softmax_of_2d(x: Array) -> Array:
    """Volume 2: as volume 1 for one and two axes; with more, x comes back as it is."""
    return softmax(x) if x.ndim <= 2 else x  # noqa: PLR2004 -- a table has two axes


def mean_log_loss(y: Array, t: Array) -> Any:  # noqa: ANN401 -- a NumPy scalar of y's dtype
    """−Σ log(y[i, tᵢ] + DELTA)/N; t is one-hot if it has y's size, else indices."""
    if y.ndim == 1:
        y, t = y.reshape(1, -1), t.reshape(1, t.size)
    labels = t.argmax(axis=1) if t.size == y.size else t
    rows = y.shape[0]
    return -np.log(y[np.arange(rows), labels] + DELTA).sum() / rows


class Volume1:
    """Remembers y and t; backward divides by the length of t, and does not use dout."""

    def forward(self, x: Array, t: Array) -> Any:  # noqa: ANN401 -- a NumPy scalar
        """The mean loss."""
        self.y, self.t = softmax(x), t
        return mean_log_loss(self.y, t)

    def backward(self, dout: float = 1) -> Array:  # noqa: ARG002 -- as in the book
        """(y − t)/len(t)."""
        rows = self.t.shape[0]
        if self.t.size == self.y.size:
            gradient: Array = (self.y - self.t) / rows
        else:
            gradient = self.y.copy()
            gradient[np.arange(rows), self.t] -= 1
            gradient /= rows
        return gradient


class Volume2:
    """Turns one-hot targets into indices first; backward multiplies by dout."""

    def forward(self, x: Array, t: Array) -> Any:  # noqa: ANN401 -- a NumPy scalar
        """The mean loss."""
        self.y = softmax_of_2d(x)
        self.t = t.argmax(axis=1) if t.size == self.y.size else t
        return mean_log_loss(self.y, self.t)

    def backward(self, dout: float = 1) -> Array:
        """dout·(y − t)/len(t)."""
        rows = self.t.shape[0]
        gradient: Array = self.y.copy()
        gradient[np.arange(rows), self.t] -= 1
        gradient *= dout
        gradient /= rows
        return gradient


class Time:
    """Sequences: flattens (N, T, V), masks ignored positions by multiplying, and overwrites its cache in backward."""

    def __init__(self, ignore_label: int = -1) -> None:
        self.ignore_label = ignore_label

    def forward(self, x: Array, t: Array) -> Any:  # noqa: ANN401 -- a NumPy scalar
        """The mean loss of the positions whose label is not ignore_label; without DELTA."""
        self.shape = x.shape
        labels = t.argmax(axis=2) if t.ndim == x.ndim else t
        self.t = labels.ravel()
        self.kept = self.t != self.ignore_label
        self.y = softmax(x.reshape(-1, x.shape[-1]))
        logs = np.log(self.y[np.arange(len(self.t)), self.t]) * self.kept
        return -logs.sum() / self.kept.sum()

    def backward(self, dout: float = 1) -> Array:
        """dout·(y − t)/count, in place of y."""
        self.y[np.arange(len(self.t)), self.t] -= 1
        self.y *= dout
        self.y /= self.kept.sum()
        self.y *= self.kept[:, np.newaxis]
        return self.y.reshape(self.shape)
