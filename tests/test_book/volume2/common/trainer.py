"""Optimiser, clipping and language-model trainer of volume 2: same names and calls, own code."""

import numpy as np


class SGD:
    def __init__(self, lr):
        self.lr = lr

    def update(self, params, grads):
        for param, grad in zip(params, grads, strict=True):
            param[...] -= self.lr * grad


def clip_grads(grads, max_norm):
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    if norm > max_norm:
        for grad in grads:
            grad[...] *= max_norm / (norm + 1e-6)


class RnnlmTrainer:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def fit(self, xs, ts, max_epoch, batch_size, time_size, max_grad):
        """Perplexity of every epoch, from losses that are added up as they come."""
        starts = np.arange(batch_size) * (len(xs) // batch_size)
        perplexities, at = [], 0
        for _ in range(max_epoch):
            total, count = 0, 0
            for _ in range(len(xs) // (batch_size * time_size)):
                places = (starts[:, None] + at + np.arange(time_size)) % len(xs)
                at += time_size
                loss = self.model.forward(xs[places], ts[places])
                self.model.backward()
                clip_grads(self.model.grads, max_grad)
                self.optimizer.update(self.model.params, self.model.grads)
                total += loss
                count += 1
            perplexities.append(np.exp(total / count))
        return perplexities
