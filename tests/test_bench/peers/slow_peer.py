"""A right peer that takes 20 ms longer than it needs, in float64."""

import time

import numpy as np

from xent.bench.peers.calls import Prepared

CALL = "time.sleep(0.02); softmax"


def variables(threads):
    return {"SLOW_PEER": str(threads)}


def versions():
    return {"slow": "1.0"}


def prepare(task, batch, threads):
    rows = np.arange(task.rows)

    def call():
        time.sleep(0.02)
        x = batch.logits.astype(np.float64)
        k = x.argmax(1)
        e = np.exp(x - x[rows, k][:, None])
        e[rows, k] = 0.0
        rest = e.sum(1)
        loss = np.mean(x[rows, k] - x[rows, batch.targets] + np.log1p(rest))
        e[rows, k] = 1.0
        grad = e / (1 + rest)[:, None]
        at = grad[rows, batch.targets] - 1
        grad[rows, batch.targets] = np.where(batch.targets == k, -rest / (1 + rest), at)
        return np.float32(loss), (grad / task.rows).astype(np.float32)

    return Prepared({"": call}, lambda result: (result[0], (result[1],)))
