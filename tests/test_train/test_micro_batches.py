"""Micro-batches on real text, unevenly padded: the weights of the whole batch; the mean of their means is another."""

import dataclasses

import numpy as np
import pytest

import xent
from xent.fit.examples import Sequences, batches, pieces
from xent.fit.threads import one_blas_thread
from xent.train.options import Options
from xent.train.repeat import Silent
from xent.train.session import Session, prepare


def trained(micro_batches: int, sequences: int | None = None, **options) -> np.ndarray:
    """The weights of `xent train text`, maybe on the first training sequences only."""
    asked, data = prepare(Options("text", micro_batches=micro_batches, **options))
    if sequences is not None:
        few = Sequences(data.train.inputs[:sequences], data.train.targets[:sequences])
        data = dataclasses.replace(data, train=few, validation=few, test=few)
    return Session(asked, data, None).run(Silent())[0].best


def mean_of_means(micro_batches: int, sequences: int) -> np.ndarray:
    """One epoch in which every micro-batch divides by its own count, and the gradients are averaged."""
    asked, data = prepare(Options("text", micro_batches=micro_batches, epochs=1))
    few = Sequences(data.train.inputs[:sequences], data.train.targets[:sequences])
    fit = Session(asked, data, None).fit
    with one_blas_thread():
        for chosen in batches(len(few), fit.batch_size, fit.seed, 1):
            cut = pieces(*few.take(chosen), micro_batches)
            fit.model.gradient[:] = 0
            for inputs, targets in cut:
                _, d_logits = xent.value_and_grad(fit.model.logits(inputs), targets)
                fit.model.backward(d_logits / len(cut))
            fit.optimizer.step(fit.model.vector, fit.model.gradient)
    return fit.model.vector


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, relative to the largest weight."""
    return float(np.abs(a - b).max() / np.abs(a).max())


def test_an_epoch_of_text_in_micro_batches_gives_the_same_weights_and_the_mean_of_means_does_not():
    whole = trained(1, sequences=160, epochs=1)

    assert apart(whole, trained(4, sequences=160, epochs=1)) <= 1e-10
    assert apart(whole, mean_of_means(1, 160)) <= 1e-10
    assert apart(whole, mean_of_means(4, 160)) > 1e-4


@pytest.mark.slow
def test_the_whole_training_on_text_in_micro_batches_ends_with_the_same_weights():
    assert apart(trained(1), trained(4)) <= 1e-10
