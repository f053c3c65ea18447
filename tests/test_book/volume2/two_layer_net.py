"""Two-layer net of volume 2, chapter 1: same names and calls, own code."""

import numpy as np
from common.layers import Affine, Sigmoid, SoftmaxWithLoss


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size):
        w1 = 0.01 * np.random.randn(input_size, hidden_size)  # noqa: NPY002 -- as the book draws
        w2 = 0.01 * np.random.randn(hidden_size, output_size)  # noqa: NPY002 -- the same
        self.layers = [Affine(w1, np.zeros(hidden_size)), Sigmoid(), Affine(w2, np.zeros(output_size))]
        self.loss_layer = SoftmaxWithLoss()
        layers = [*self.layers, self.loss_layer]
        self.params = [p for layer in layers for p in layer.params]
        self.grads = [g for layer in layers for g in layer.grads]

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def forward(self, x, t):
        return self.loss_layer.forward(self.predict(x), t)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
