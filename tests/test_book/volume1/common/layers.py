"""Layers of volume 1: same names and calls, own code."""

import numpy as np

from common.functions import *  # noqa: F403 -- as learners write it


class Relu:
    def forward(self, x):
        self.off = x <= 0
        return np.where(self.off, 0.0, x)

    def backward(self, dout):
        dout[self.off] = 0  # writes into what the layer above returned: so that must be its own array
        return dout


class Affine:
    def __init__(self, weights, bias):
        self.W, self.b = weights, bias

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = self.y = self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)  # noqa: F405 -- from the star import
        self.loss = cross_entropy_error(self.y, t)  # noqa: F405 -- from the star import
        return self.loss

    def backward(self, dout=1):
        rows = self.t.shape[0]
        if self.t.size == self.y.size:
            return (self.y - self.t) / rows
        dx = self.y.copy()
        dx[np.arange(rows), self.t] -= 1
        return dx / rows
