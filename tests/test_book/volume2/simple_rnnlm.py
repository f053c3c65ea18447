"""Recurrent language model of volume 2, chapter 5, in float32: same names and calls, own code."""

import numpy as np
from common.time_layers import *  # noqa: F403 -- as learners write it


class SimpleRnnlm:
    def __init__(self, vocab_size, wordvec_size, hidden_size):
        def draw(fan_in, *shape):
            return (np.random.randn(*shape) / np.sqrt(fan_in)).astype("f")  # noqa: NPY002 -- as the book draws

        v, d, h = vocab_size, wordvec_size, hidden_size
        self.layers = [
            TimeEmbedding(draw(1e4, v, d)),  # noqa: F405 -- from the star import
            TimeRNN(draw(d, d, h), draw(h, h, h), np.zeros(h, "f")),  # noqa: F405 -- the same
            TimeAffine(draw(h, h, v), np.zeros(v, "f")),  # noqa: F405 -- the same
        ]
        self.loss_layer = TimeSoftmaxWithLoss()  # noqa: F405 -- the same
        self.params = [p for layer in self.layers for p in layer.params]
        self.grads = [g for layer in self.layers for g in layer.grads]

    def forward(self, xs, ts):
        for layer in self.layers:
            xs = layer.forward(xs)
        return self.loss_layer.forward(xs, ts)

    def backward(self, dout=1):
        dout = self.loss_layer.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout
