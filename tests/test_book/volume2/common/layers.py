"""Layers of volume 2, with lists of parameters and gradients: same names and calls, own code."""

import numpy as np

from common.functions import cross_entropy_error, softmax


class Affine:
    def __init__(self, weights, bias):
        self.params = [weights, bias]
        self.grads = [np.zeros_like(weights), np.zeros_like(bias)]

    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]

    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ self.params[0].T


class Sigmoid:
    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out) * self.out


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.y = self.t = None

    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        return cross_entropy_error(self.y, self.t)

    def backward(self, dout=1):
        rows = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(rows), self.t] -= 1
        dx *= dout
        return dx / rows


class SigmoidWithLoss:
    """One probability a row, as two: what negative sampling trains with."""

    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x, t):
        self.t, self.y = t, 1 / (1 + np.exp(-x))
        return cross_entropy_error(np.c_[1 - self.y, self.y], self.t)

    def backward(self, dout=1):
        return (self.y - self.t) * dout / self.t.shape[0]


class Embedding:
    def __init__(self, weights):
        self.params, self.grads = [weights], [np.zeros_like(weights)]

    def forward(self, index):
        self.index = index
        return self.params[0][index]

    def backward(self, dout):
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.index, dout)
