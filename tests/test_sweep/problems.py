"""Small problems of each kind for the tests of the sweep: real iris, and words of few tokens."""

import functools

import numpy as np

from xent.fit.model import Architecture
from xent.train.descent import Problem
from xent.train.options import Options
from xent.train.session import prepare


@functools.cache
def iris(hidden: tuple[int, ...] = ()) -> Problem:
    """Iris as `xent train` prepares it, training rows alone."""
    data = prepare(Options("iris", hidden=hidden))[1]
    return Problem(data.architecture, data.train.inputs, data.train.targets, data.test.inputs, data.test.targets)


@functools.cache
def words(hidden: tuple[int, ...] = ()) -> Problem:
    """Forty contexts of two tokens out of six, some twice the same; five classes."""
    rng = np.random.default_rng(1)
    tokens, targets = rng.integers(0, 6, (40, 2)), rng.integers(0, 5, 40)
    tokens[::4, 1] = tokens[::4, 0]
    return Problem(Architecture(2, hidden, 5, vocabulary=6, embedding=3), tokens, targets, tokens[:8], targets[:8])


PROBLEMS = {"iris": iris(), "iris, hidden": iris((7, 5)), "words": words(), "words, hidden": words((4,))}
