"""The model: numbers, or embedded tokens, through dense layers with ReLU between them, to logits.

All parameters lie in ONE float64 vector, and each layer's arrays are views into it. So an optimiser
is a few operations on a vector, the gradient's norm is one dot product, and a checkpoint is whole.
float64 because the models are small: half the width saves little time here, and a resumed run, a
prediction and a batch cut into micro-batches can be compared to the last digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Inputs = NDArray[Any]

BLOCK = (
    128  # rows: BLAS picks its code path, and so the last bits, by the number of rows; predictions always use this one
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes that say which arrays a model has.

    >>> Architecture(inputs=64, hidden=(64,), classes=10).sizes()
    {'dense0.weight': (64, 64), 'dense0.bias': (64,), 'dense1.weight': (64, 10), 'dense1.bias': (10,)}
    >>> Architecture(inputs=3, hidden=(), classes=5, vocabulary=6, embedding=2).count()
    47
    """

    inputs: int  # features of a row; tokens of context where there is a vocabulary
    hidden: tuple[int, ...]  # width of each hidden layer; () is softmax regression
    classes: int
    vocabulary: int = 0  # rows of the embedding; 0: the inputs are numbers
    embedding: int = 0  # numbers a token becomes

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array, in the order in which they lie in the vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        width = self.inputs
        if self.vocabulary:
            shapes["embedding"] = (self.vocabulary, self.embedding)
            width = self.inputs * self.embedding
        for i, out in enumerate((*self.hidden, self.classes)):
            shapes[f"dense{i}.weight"] = (width, out)
            shapes[f"dense{i}.bias"] = (out,)
            width = out
        return shapes

    def count(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.sizes().values())

    def views(self, vector: Floats) -> dict[str, Floats]:
        """The named arrays inside `vector` (count,), sharing its memory."""
        named, start = {}, 0
        for name, shape in self.sizes().items():
            end = start + math.prod(shape)
            named[name] = vector[start:end].reshape(shape)
            start = end
        return named

    def words(self) -> str:
        """What the model is, in words.

        >>> Architecture(4, (64, 32), 3).words(), Architecture(4, (), 3).words()
        ('hidden layers of 64 and 32 (ReLU)', 'softmax regression')
        """
        if not self.hidden:
            body = "softmax regression"
        elif len(self.hidden) == 1:
            body = f"one hidden layer of {self.hidden[0]} (ReLU)"
        else:
            *first, last = map(str, self.hidden)
            body = f"hidden layers of {', '.join(first)} and {last} (ReLU)"
        if not self.vocabulary:
            return body
        plural = "" if self.inputs == 1 else "s"
        return f"the {self.inputs} token{plural} before, as {self.embedding} numbers each, then {body}"


class Model:
    """Parameters, their gradient, and the way forward and back.

    vector    (P,) float64, every parameter. Optimisers write it.
    gradient  (P,) float64, the derivative of the loss by `vector`; `backward` adds to it.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.vector: Floats = np.zeros(architecture.count())
        self.gradient: Floats = np.zeros_like(self.vector)
        self.arrays = architecture.views(self.vector)
        self._grads = architecture.views(self.gradient)
        self._depth = len(architecture.hidden) + 1
        self._kept: list[Floats] = []  # input of each dense layer, as (rows, width)
        self._tokens: Inputs | None = None

    def initialise(self, rng: np.random.Generator) -> None:
        """Start values: normal with variance 2 / inputs before a ReLU and 1 / inputs elsewhere; biases 0.

        A softmax regression starts at 0, an embedding with variance 1.

        Source: He, Zhang, Ren & Sun 2015, arXiv:1502.01852.
        """
        for name, array in self.arrays.items():
            if name == "embedding":
                array[...] = rng.standard_normal(array.shape)
            elif name.endswith("bias") or self._depth == 1:
                array[...] = 0.0
            else:
                gain = 1.0 if name == f"dense{self._depth - 1}.weight" else 2.0
                array[...] = rng.standard_normal(array.shape) * math.sqrt(gain / array.shape[0])

    def logits(self, inputs: Inputs) -> Floats:
        """Logits of each row; what `backward` needs is kept.

        inputs   (N, inputs) float64, or (..., inputs) integers: tokens of context. Read.
        returns  (N, classes) or (..., classes) float64
        """
        rows = self._embed(inputs)
        self._kept = []
        for i in range(self._depth):
            self._kept.append(rows)
            rows = rows @ self.arrays[f"dense{i}.weight"]
            rows += self.arrays[f"dense{i}.bias"]
            if i < self._depth - 1:
                np.maximum(rows, 0.0, out=rows)
        return rows.reshape(*inputs.shape[:-1], self.architecture.classes)

    def backward(self, d_logits: Floats) -> None:
        """Add the derivative by every parameter, given that by the logits of the last call, to `gradient`."""
        delta = d_logits.reshape(-1, self.architecture.classes)
        for i in reversed(range(self._depth)):
            kept = self._kept[i]
            self._grads[f"dense{i}.weight"] += kept.T @ delta
            self._grads[f"dense{i}.bias"] += delta.sum(axis=0)
            if i:
                delta = delta @ self.arrays[f"dense{i}.weight"].T
                delta *= kept > 0.0
        if self._tokens is not None:
            self._embed_backward(delta @ self.arrays["dense0.weight"].T)

    def predict_logits(self, inputs: Inputs) -> Floats:
        """Logits whose bits depend on the row alone: rows go through in blocks of `BLOCK`, the last one filled up.

        Nothing is kept for `backward`. With one BLAS thread (`xent.fit.threads`); measured for OpenBLAS
        in tests/test_fit/test_model.py.
        """
        out = np.empty((len(inputs), self.architecture.classes))
        block = np.zeros((BLOCK, self.architecture.inputs), dtype=inputs.dtype)
        for start in range(0, len(inputs), BLOCK):
            piece = inputs[start : start + BLOCK]
            block[: len(piece)] = piece
            out[start : start + BLOCK] = self.logits(block)[: len(piece)]
        self._kept, self._tokens = [], None
        return out

    def load(self, arrays: dict[str, Floats], where: str) -> None:
        """Take over stored arrays. DataError: another name, shape or type than this model's, or a number not finite."""
        wanted = self.architecture.sizes()
        if set(arrays) != set(wanted):
            odd = ", ".join(sorted(set(arrays) ^ set(wanted)))
            raise DataError(f"{where} does not belong to this model: arrays that are missing or unknown: {odd}.")
        for name, array in arrays.items():
            if array.shape != wanted[name] or array.dtype != np.float64:
                raise DataError(
                    f"{where} does not belong to this model: {name} is {array.dtype} of shape {array.shape}, "
                    f"not float64 of shape {wanted[name]}."
                )
            if not np.isfinite(array).all():
                raise DataError(f"{where} is damaged: {name} holds a number that is not finite.")
        for name, array in arrays.items():
            self.arrays[name][...] = array

    def _embed(self, inputs: Inputs) -> Floats:
        """Rows for the first dense layer: the inputs themselves, or the vectors of each row's tokens side by side."""
        if not self.architecture.vocabulary:
            self._tokens = None
            return inputs
        self._tokens = inputs.reshape(-1, self.architecture.inputs)
        rows: Floats = self.arrays["embedding"][self._tokens].reshape(len(self._tokens), -1)
        return rows

    def _embed_backward(self, delta: Floats) -> None:
        """Add each token's share to its row of the embedding: sorted, then summed run by run."""
        if self._tokens is None or not len(delta):
            return
        tokens = self._tokens.ravel()
        order = np.argsort(tokens, kind="stable")
        starts = np.flatnonzero(np.diff(tokens[order], prepend=-1))
        sums = np.add.reduceat(delta.reshape(len(tokens), -1)[order], starts, axis=0)
        self._grads["embedding"][tokens[order][starts]] += sums
