"""Is dividing by N only a matter of the learning rate? The same training twice, with sum and with mean. NumPy alone.

A softmax regression learns the embedded digits, once with the mean of each batch and learning rate lr, once with the
sum and lr/N. What is measured is how far apart the weights end: max |difference| / max |weight|.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xent.train.embedded import embedded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

EPOCHS, RATE, MOMENTUM, DECAY, CLIP, EPSILON = 20, 0.5, 0.9, 1e-2, 0.5, 1e-8
ADAM_RATE = 0.01
ROUNDING = 1e-12  # differences below it are rounding: the training is the same


@dataclass(frozen=True)
class Recipe:
    """How one of the two trainings goes."""

    mean: bool
    lr: float
    batch: int
    momentum: float = 0.0
    decay: float = 0.0
    clip: float = 0.0
    adam: bool = False
    rows: int = 200


@dataclass(frozen=True)
class Compared:
    """A setting, how far apart sum and mean end in it, and what makes them equal again."""

    setting: str
    difference: float  # max |ΔW| / max |W|; 0 is bit for bit
    remedy: str = ""  # what has to be changed too
    remedied: float | None = None  # the difference with it

    @property
    def same(self) -> bool:
        """Whether only rounding is between them."""
        return self.difference < ROUNDING

    @property
    def words(self) -> str:
        """The answer in words."""
        if self.difference == 0.0:
            return "yes, bit for bit"
        return "yes, rounding only" if self.same else "no"


def gradient(weight: Floats, inputs: Floats, classes: Ints, *, mean: bool) -> Floats:
    """Gradient of a softmax regression's loss by its weights (F + 1, V): inputsᵀ·(softmax − one-hot)."""
    logits = inputs @ weight
    terms = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = terms / terms.sum(axis=1, keepdims=True)
    d[np.arange(len(classes)), classes] -= 1.0
    if mean:
        d /= len(classes)
    return inputs.T @ d  # type: ignore[no-any-return]  # float64


def train(recipe: Recipe, seed: int = 0) -> Floats:
    """The weights after some epochs on the embedded digits; the order of the rows depends on the seed alone."""
    data = embedded("digits")
    inputs = np.column_stack([data.features, np.ones(len(data.classes))])
    order = np.random.default_rng(seed)
    weight = np.zeros((inputs.shape[1], len(data.class_names)))
    speed, first, second, step = np.zeros_like(weight), np.zeros_like(weight), np.zeros_like(weight), 0
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(inputs))[: recipe.rows]
        for start in range(0, recipe.rows, recipe.batch):
            rows = shuffled[start : start + recipe.batch]
            g = gradient(weight, inputs[rows], data.classes[rows], mean=recipe.mean)
            if recipe.decay:
                g = g + recipe.decay * weight
            if recipe.clip:
                g = g * min(1.0, recipe.clip / float(np.sqrt((g * g).sum())))
            step += 1
            if recipe.adam:
                first = 0.9 * first + 0.1 * g
                second = 0.999 * second + 0.001 * g * g
                g = first / (1.0 - 0.9**step) / (np.sqrt(second / (1.0 - 0.999**step)) + EPSILON)
            speed = recipe.momentum * speed + g
            weight = weight - recipe.lr * speed
    return weight


def apart(a: Recipe, b: Recipe) -> float:
    """How far apart two trainings end."""
    one, other = train(a), train(b)
    return float(np.abs(one - other).max() / np.abs(one).max())


def compare() -> list[Compared]:
    """Every setting of the table, measured now: some 0.2 seconds."""
    n = 50
    mean = Recipe(mean=True, lr=RATE, batch=n)
    total = Recipe(mean=False, lr=RATE / n, batch=n)
    short_mean, short_sum = replace(mean, batch=64), replace(total, batch=64, lr=RATE / 64)
    adam_mean = replace(mean, adam=True, lr=ADAM_RATE)
    adam_sum = replace(adam_mean, mean=False, lr=ADAM_RATE / n)
    return [
        Compared("SGD, batches of 64", apart(replace(short_mean, rows=192), replace(short_sum, rows=192))),
        Compared(f"SGD, batches of {n}", apart(mean, total)),
        Compared(
            f"SGD with momentum {MOMENTUM}", apart(replace(mean, momentum=MOMENTUM), replace(total, momentum=MOMENTUM))
        ),
        Compared("a short last batch, 8 of 64", apart(short_mean, short_sum)),
        Compared(
            f"weight decay {DECAY:g}", apart(replace(mean, decay=DECAY), replace(total, decay=DECAY)), "decay × N",
            apart(replace(mean, decay=DECAY), replace(total, decay=DECAY * n)),
        ),
        Compared(
            f"gradient clipping at {CLIP:g}", apart(replace(mean, clip=CLIP), replace(total, clip=CLIP)), "clip × N",
            apart(replace(mean, clip=CLIP), replace(total, clip=CLIP * n)),
        ),
        Compared("Adam", apart(adam_mean, adam_sum), "the same lr", apart(adam_mean, replace(adam_sum, lr=ADAM_RATE))),
    ]  # fmt: skip


def fit_softmax(features: Floats, classes: Ints, steps: int, lr: float) -> tuple[list[list[float]], list[float]]:
    """Weights (V, F) and bias (V,) of a softmax regression after some steps on all rows, from zero; as plain lists."""
    inputs = np.column_stack([features, np.ones(len(features))])
    weight = np.zeros((inputs.shape[1], int(classes.max()) + 1))
    for _ in range(steps):
        weight -= lr * gradient(weight, inputs, classes, mean=True)
    rounded = np.round(weight, 4)  # the same numbers on every machine, whatever its order of adding
    return rounded[:-1].T.tolist(), rounded[-1].tolist()


def timed() -> tuple[list[Compared], float]:
    """The table, and the seconds it took."""
    start = time.perf_counter()
    return compare(), time.perf_counter() - start
