"""Multi-layer net of volume 1, chapter 6, with weight decay: same names and calls, own code."""

import itertools
from collections import OrderedDict

import numpy as np

from common.layers import *  # noqa: F403 -- as learners write it


class MultiLayerNet:
    def __init__(self, input_size, hidden_size_list, output_size, weight_decay_lambda=0):
        self.weight_decay_lambda = weight_decay_lambda
        self.params, self.layers = {}, OrderedDict()
        sizes = [input_size, *hidden_size_list, output_size]
        self.depth = len(sizes) - 1
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes), start=1):
            self.params[f"W{i}"] = np.sqrt(2.0 / fan_in) * np.random.randn(fan_in, fan_out)  # noqa: NPY002 -- as the book
            self.params[f"b{i}"] = np.zeros(fan_out)
            self.layers[f"Affine{i}"] = Affine(self.params[f"W{i}"], self.params[f"b{i}"])  # noqa: F405 -- star import
            if i < self.depth:
                self.layers[f"Relu{i}"] = Relu()  # noqa: F405 -- from the star import
        self.last_layer = SoftmaxWithLoss()  # noqa: F405 -- from the star import

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        squares = sum(np.sum(self.params[f"W{i}"] ** 2) for i in range(1, self.depth + 1))
        decay = 0.5 * self.weight_decay_lambda * squares
        return self.last_layer.forward(self.predict(x), t) + decay

    def accuracy(self, x, t):
        labels = t if t.ndim == 1 else t.argmax(axis=1)
        return np.sum(self.predict(x).argmax(axis=1) == labels) / float(len(x))

    def gradient(self, x, t):
        self.loss(x, t)
        dout = 1
        dout = self.last_layer.backward(dout)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for i in range(1, self.depth + 1):
            affine = self.layers[f"Affine{i}"]
            grads[f"W{i}"] = affine.dW + self.weight_decay_lambda * affine.W
            grads[f"b{i}"] = affine.db
        return grads
