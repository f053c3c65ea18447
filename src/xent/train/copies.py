"""Copies of one model, side by side in plain NumPy: one for each seed, each with weights and batches of its own.

A sweep trains the same small model thousands of times, on batches of a few rows, where calls cost more than numbers;
so all seeds take each step together. `tests/test_sweep/test_copies.py` holds loss and gradient to those of
`xent.value_and_grad` with `xent.fit.model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xent.fit.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xent.fit.model import Architecture

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Inputs = NDArray[Any]

CHUNK = 2**18  # logits of one copy that are held at once when nothing is learned


class Copies:
    """S models of one architecture; S is the number of seeds.

    vector    (S, P) float64, every parameter. Optimisers write it, as one vector of S·P numbers.
    gradient  (S, P) float64, written by `backward`.
    """

    def __init__(self, architecture: Architecture, seeds: Sequence[int]) -> None:
        self.architecture = architecture
        self.vector: Floats = np.zeros((len(seeds), architecture.count()))
        self.gradient: Floats = np.zeros_like(self.vector)
        model = Model(architecture)
        for row, seed in zip(self.vector, seeds, strict=True):
            model.initialise(np.random.default_rng([seed, 0, 1]))  # as `xent train` does
            row[...] = model.vector
        arrays, grads = self._views(self.vector), self._views(self.gradient)
        depth = len(architecture.hidden) + 1
        self._layers = [(arrays[f"dense{i}.weight"], arrays[f"dense{i}.bias"][:, None]) for i in range(depth)]
        self._grads = [(grads[f"dense{i}.weight"], grads[f"dense{i}.bias"]) for i in range(depth)]
        self._embedding, self._d_embedding = arrays.get("embedding"), grads.get("embedding")
        self._each = np.arange(len(seeds))

    def forward(self, inputs: Inputs) -> tuple[Floats, list[Floats]]:
        """Logits of each copy, and the input of each dense layer.

        inputs   (S, N, F) each copy's own rows, or (N, F) the same rows for all; integers are tokens. Read.
        returns  (S, N, V) float64, and per layer (S, N, width) or (N, width)
        """
        rows = self._embed(inputs)
        kept = []
        last = len(self._layers) - 1
        for i, (weight, bias) in enumerate(self._layers):
            kept.append(rows)
            rows = np.matmul(rows, weight)
            rows += bias
            if i < last:
                np.maximum(rows, 0.0, out=rows)
        return rows, kept

    def deltas(self, d_logits: Floats, kept: Sequence[Floats]) -> list[Floats]:
        """Derivative by the output of each dense layer, (S, N, width) each, given that by the logits."""
        found = [d_logits]
        for i in range(len(self._layers) - 1, 0, -1):
            delta = np.matmul(found[-1], self._layers[i][0].swapaxes(-1, -2))
            delta *= kept[i] > 0.0
            found.append(delta)
        return found[::-1]

    def backward(self, d_logits: Floats, kept: Sequence[Floats], inputs: Inputs) -> None:
        """Write the derivative by every parameter into `gradient`.

        d_logits   (S, N, V) float64. Read.
        kept       of `forward` on `inputs`
        """
        deltas = self.deltas(d_logits, kept)
        for (d_weight, d_bias), rows, delta in zip(self._grads, kept, deltas, strict=True):
            np.matmul(rows.swapaxes(-1, -2), delta, out=d_weight)
            delta.sum(axis=-2, out=d_bias)
        if self._d_embedding is not None:
            d_rows = self.d_inputs(deltas).reshape(*inputs.shape, self.architecture.embedding)
            self._d_embedding[...] = 0.0
            np.add.at(self._d_embedding, (self._each[:, None, None], inputs), d_rows)

    def d_inputs(self, deltas: Sequence[Floats]) -> Floats:
        """Derivative by the input of the first dense layer, (S, N, width): what the embedding gets."""
        d_rows: Floats = np.matmul(deltas[0], self._layers[0][0].swapaxes(-1, -2))
        return d_rows

    def losses(self, inputs: Inputs, targets: Ints) -> Floats:
        """Mean loss of each copy on the same rows, (S,) float64 in nats; NaN or inf where its weights are not finite.

        inputs   (N, F) float64 or integers. Read.
        targets  (N,) int64 classes. Read.

        Error    relative 1e-13, or absolute 1e-15, of the exact mean: tests/test_sweep/test_copies.py.
        """
        sums = np.zeros(len(self.vector))
        for part in self.parts(len(targets)):
            logits, _ = self.forward(inputs[part])
            logits -= logits.max(axis=-1, keepdims=True)
            aimed = logits[:, np.arange(logits.shape[1]), targets[part]]
            np.exp(logits, out=logits)
            sums += (np.log(logits.sum(axis=-1)) - aimed).sum(axis=-1)
        return sums / len(targets)

    def accuracies(self, inputs: Inputs, targets: Ints) -> Floats:
        """Share of the rows whose largest logit, the first of equals, is the target's: (S,) float64."""
        right = np.zeros(len(self.vector))
        for part in self.parts(len(targets)):
            right += (self.forward(inputs[part])[0].argmax(axis=-1) == targets[part]).sum(axis=-1)
        return right / len(targets)

    def parts(self, rows: int) -> list[slice]:
        """Pieces of so many rows, the same for any number of copies: BLAS rounds by the number of rows."""
        step = max(1, CHUNK // self.architecture.classes)
        return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]

    def _views(self, vectors: Floats) -> dict[str, Floats]:
        """The named arrays of all copies, (S, ...) each, inside `vectors` (S, P)."""
        named, start = {}, 0
        for name, shape in self.architecture.sizes().items():
            end = start + int(np.prod(shape))
            named[name] = vectors[:, start:end].reshape(len(vectors), *shape)  # a view: only the last axis is cut
            start = end
        return named

    def _embed(self, inputs: Inputs) -> Floats:
        """Rows for the first dense layer: the inputs themselves, or the vectors of each row's tokens side by side."""
        if self._embedding is None:
            return inputs
        each = self._each[:, None, None]
        rows: Floats = self._embedding[each, inputs if inputs.ndim == each.ndim else inputs[None]]
        return rows.reshape(*rows.shape[:2], -1)


def softmax_minus_onehot(logits: Floats, targets: Ints) -> Floats:
    """p − t in place: the derivative of the sum of the losses by the logits.

    logits   (S, N, V) float64. Read, then written: it is what is returned.
    targets  (S, N) or (N,) int64 classes. Read.

    Error    absolute 4·2⁻⁵³ in each entry: tests/test_sweep/test_copies.py.

    >>> softmax_minus_onehot(np.array([[[1.0, 2.0, 3.0]]]), np.array([[2]])).round(4)
    array([[[ 0.09  ,  0.2447, -0.3348]]])
    """
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    flat = logits.reshape(-1, logits.shape[-1])
    flat[np.arange(len(flat)), np.broadcast_to(targets, logits.shape[:2]).ravel()] -= 1.0
    return logits
