"""Functions of volume 2: same names and calls, own code."""

import numpy as np


def softmax(x):
    if x.ndim <= 2:
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return x


def cross_entropy_error(y, t):
    if y.ndim == 1:
        y, t = y[None, :], t.reshape(1, -1)
    if t.size == y.size:
        t = t.argmax(axis=1)
    rows = len(y)
    return -np.sum(np.log(y[np.arange(rows), t] + 1e-7)) / rows
