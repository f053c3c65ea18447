"""Tensors to the kernels that work on shards of rows, piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xent._kernels.cpu import launch, threads
from xent._kernels.cpu import shards as kernels
from xent._kernels.cpu.jit import array, compiled

Doubles = NDArray[np.float64]
PIECE = 2**20  # logits that are converted at a time
NO_PROBABILITIES = np.empty((1, 0))


@dataclass(frozen=True)
class Target:
    """What the kernels take besides logits, and what they write."""

    index: NDArray[np.int64]  # (N,) place in the shard; or ELSEWHERE, PROBABILITIES, SKIPPED
    owner: NDArray[np.int64]  # (N,) the shard that has the target; any number where none has
    q: NDArray[Any] | None  # (N, V) probabilities of the shard's classes
    class_weight: Doubles  # (V,) of the shard's classes; or (0,)
    factor: Doubles  # (N,) what multiplies the loss; or (0,)
    smoothing: float
    classes: int  # of all shards
    fields: int  # how many columns a shard tells the others
    z_scale: float
    logit_scale: float
    softcap: float

    def probabilities(self, lo: int, hi: int) -> Doubles:
        """Rows of q as the kernels take them."""
        if self.q is None:
            return NO_PROBABILITIES
        return np.ascontiguousarray(self.q[lo:hi], dtype=np.float64)

    def options(self) -> tuple[Any, ...]:
        """What both kernels take after the probabilities."""
        return self.class_weight, self.smoothing, self.classes


def states(logits: Tensor, target: Target) -> tuple[Doubles, NDArray[np.int64]]:
    """What this shard knows of every row, (N, fields); and the place of its largest logit."""
    rows = target.index.size
    fields, top = np.empty((rows, target.fields)), np.empty(rows, np.int64)
    dtype = work_dtype(logits)
    kernel = compiled(
        kernels.states,
        *(array(dtype, 2), array("int64", 1), array("float64", 2), array("float64", 1), "float64", "int64"),
        *("float64", "float64", array("float64", 2, written=True), array("int64", 1, written=True)),
    )

    flat = flat_rows(logits)

    def piece(lo: int, hi: int) -> None:
        x, q = read(flat[lo:hi]), target.probabilities(lo, hi)
        some = (target.index[lo:hi], q, *target.options(), target.logit_scale, target.softcap)
        kernel(x, *some, fields[lo:hi], top[lo:hi])

    over_rows(piece, rows, logits.shape[-1])
    return fields, top


def merged(known: Doubles, target: Target) -> tuple[Doubles, Doubles, Doubles]:
    """Losses, z-losses and states of whole rows, (N,), (N,) and (N, 5), from what all shards know, (R, N, fields)."""
    rows = target.index.size
    losses, z_losses, whole = np.empty(rows), np.empty(rows), np.empty((rows, 5))
    written = array("float64", 1, written=True)
    kernel = compiled(
        kernels.merged,
        *(array("float64", 3), array("int64", 1), array("int64", 1), "float64", "float64", "float64", "float64"),
        *(written, written, array("float64", 2, written=True)),
    )
    expected = 1.0 if target.fields == kernels.ALL_FIELDS else 0.0
    options = (expected, target.z_scale, target.logit_scale, target.softcap)
    kernel(known, target.index, target.owner, *options, losses, z_losses, whole)
    return losses, z_losses, whole


def gradient(
    logits: Tensor, target: Target, top: NDArray[np.int64], whole: Doubles, scale: Doubles, rank: int
) -> Tensor:
    """The gradient of this shard's logits: their shape and dtype."""
    rows, classes, dtype = target.index.size, logits.shape[-1], work_dtype(logits)
    vector = array("float64", 1)
    kernel = compiled(
        kernels.gradient,
        *(array(dtype, 2), array("int64", 1), array("float64", 2), vector, "float64", "int64"),
        *("float64", "float64", "float64", "int64", array("int64", 1), array("float64", 2), vector, vector),
        array(dtype, 2, written=True),
    )
    grad = torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)
    flat, written = flat_rows(logits), grad.view(rows, classes)

    def piece(lo: int, hi: int) -> None:
        x, q = read(flat[lo:hi]), target.probabilities(lo, hi)
        room = torch.empty(x.shape, dtype=torch.float64 if dtype == "float64" else torch.float32)
        factor = target.factor[lo:hi] if target.factor.size else target.factor
        options = (*target.options(), target.z_scale, target.logit_scale, target.softcap, rank)
        kernel(x, target.index[lo:hi], q, *options, top[lo:hi], whole[lo:hi], factor, scale[lo:hi], room.numpy())
        written[lo:hi] = room.to(grad.dtype)

    over_rows(piece, rows, classes)
    return grad


def work_dtype(logits: Tensor) -> str:
    """What the kernels read: float64 for float64, else float32."""
    return "float64" if logits.dtype == torch.float64 else "float32"


def flat_rows(logits: Tensor) -> Tensor:
    """(*shape, V) as (N, V)."""
    return logits.detach().reshape(logits.shape[:-1].numel(), logits.shape[-1])


def read(rows: Tensor) -> NDArray[Any]:
    """Some rows (n, V), C-contiguous, on the CPU, float32 or float64."""
    wide = torch.float64 if rows.dtype == torch.float64 else torch.float32
    return rows.to(device="cpu", dtype=wide).contiguous().numpy()


def over_rows(piece: Callable[[int, int], None], rows: int, classes: int) -> None:
    """Run a piece over all rows, over PyTorch's number of threads, some rows at a time."""
    step = max(1, PIECE // max(1, classes))

    def part(first: int, last: int) -> None:
        for lo in range(first, last, step):
            piece(lo, min(last, lo + step))

    threads.run(part, launch.cut_rows(rows, classes, torch.get_num_threads()))
