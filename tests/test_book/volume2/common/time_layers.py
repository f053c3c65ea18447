"""Layers over sequences, of volume 2: same names and calls, own code."""

import numpy as np

from common.functions import softmax
from common.layers import *  # noqa: F403 -- as learners write it


class TimeEmbedding:
    def __init__(self, weights):
        self.embedding = Embedding(weights)  # noqa: F405 -- from the star import
        self.params, self.grads = self.embedding.params, self.embedding.grads

    def forward(self, xs):
        return self.embedding.forward(xs)

    def backward(self, dout):
        self.embedding.backward(dout)


class TimeRNN:
    """tanh(x·Wx + h·Wh + b) over T steps; keeps h from one call to the next (truncated back-propagation)."""

    def __init__(self, wx, wh, bias):
        self.params = [wx, wh, bias]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.h = None

    def forward(self, xs):
        wx, wh, bias = self.params
        rows, steps = xs.shape[:2]
        h = self.h if self.h is not None else np.zeros((rows, wh.shape[0]), xs.dtype)
        self.xs, self.hs = xs, [h]
        for step in range(steps):
            h = np.tanh(h @ wh + xs[:, step] @ wx + bias)
            self.hs.append(h)
        self.h = h
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dhs):
        wx, wh, _ = self.params
        for grad in self.grads:
            grad[...] = 0
        dxs, dh = np.empty_like(self.xs), 0
        for step in reversed(range(dhs.shape[1])):
            dt = (dhs[:, step] + dh) * (1 - self.hs[step + 1] ** 2)
            self.grads[0] += self.xs[:, step].T @ dt
            self.grads[1] += self.hs[step].T @ dt
            self.grads[2] += dt.sum(axis=0)
            dxs[:, step], dh = dt @ wx.T, dt @ wh.T
        return dxs

    def reset_state(self):
        self.h = None


class TimeAffine:
    def __init__(self, weights, bias):
        self.params = [weights, bias]
        self.grads = [np.zeros_like(weights), np.zeros_like(bias)]

    def forward(self, xs):
        self.xs = xs
        return xs @ self.params[0] + self.params[1]

    def backward(self, dout):
        flat, back = self.xs.reshape(-1, self.xs.shape[-1]), dout.reshape(-1, dout.shape[-1])
        self.grads[0][...] = flat.T @ back
        self.grads[1][...] = back.sum(axis=0)
        return dout @ self.params[0].T


class TimeSoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.cache = None
        self.ignore_label = -1

    def forward(self, xs, ts):
        shape = xs.shape
        if ts.ndim == 3:
            ts = ts.argmax(axis=2)
        ts = ts.reshape(-1)
        mask = ts != self.ignore_label
        ys = softmax(xs.reshape(-1, shape[2]))
        losses = np.log(ys[np.arange(len(ts)), ts])
        losses *= mask
        self.cache = (ts, ys, mask, shape)
        return -np.sum(losses) / mask.sum()

    def backward(self, dout=1):
        ts, dx, mask, shape = self.cache
        dx[np.arange(len(ts)), ts] -= 1
        dx *= dout
        dx /= mask.sum()
        dx *= mask[:, np.newaxis]
        return dx.reshape(shape)
