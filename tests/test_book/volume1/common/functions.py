"""Functions of volume 1: same names and calls, own code."""

import numpy as np


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    if y.ndim == 1:
        y, t = y[None, :], t.reshape(1, -1)
    if t.size == y.size:
        t = t.argmax(axis=1)
    rows = len(y)
    return -np.sum(np.log(y[np.arange(rows), t] + 1e-7)) / rows


def softmax_loss(x, t):
    return cross_entropy_error(softmax(x), t)
