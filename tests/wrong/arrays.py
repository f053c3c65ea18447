"""Wrong losses of arrays: layouts, aliasing, label dtypes, offsets in 32 bits."""

import math

import numpy as np

from tests.reference import Reference
from tests.wrong.batches import OtherFormula


class WritesLogits(Reference):
    """The shifted logits are written back into the input."""

    def value_and_grad(self, logits, targets, **options):
        """x -= max, in place, where it can."""
        answer = super().value_and_grad(logits, targets, **options)
        if logits.size and logits.flags.writeable:
            with np.errstate(all="ignore"):
                logits -= logits.max()
        return answer


class ReturnsTheInput(Reference):
    """The gradient shares its memory with the logits."""

    def store(self, rows, shape, axis, logits, out):
        """A view of the input where it can."""
        grad = super().store(rows, shape, axis, logits, out)
        if out is None and logits.flags.writeable and logits.dtype.isnative:
            logits[...] = grad
            return logits
        return grad


class StridesIgnored(Reference):
    """The buffer read as if it were C-contiguous."""

    def read(self, logits, axis):
        """From the first byte on."""
        base = logits
        while isinstance(base.base, np.ndarray) and base.base.dtype == logits.dtype:
            base = base.base
        flat = np.resize(base.ravel(order="K"), logits.size).reshape(np.moveaxis(logits, axis, -1).shape)
        return super().read(flat, -1)


class ByteOrderIgnored(Reference):
    """Big-endian numbers read as native ones."""

    def read(self, logits, axis):
        """Bytes as they lie."""
        return super().read(logits.view(logits.dtype.newbyteorder("=")), axis)


class LastAxisAlways(Reference):
    """axis accepted and dropped."""

    def read(self, logits, axis):
        """The last axis, whatever was asked."""
        moved = np.moveaxis(logits, axis, -1)
        return super().read(logits.reshape(moved.shape), -1)


class InPlaceReadsAfterWriting(Reference):
    """In place, the target's logit is read after it was overwritten."""

    def value_and_grad(self, logits, targets, **options):
        """The gradient of another call where out is the input."""
        out = options.get("out")
        if out is not None and np.shares_memory(out, logits):
            loss, _ = OtherFormula().value_and_grad(logits, targets, **options)
            return loss, out
        return super().value_and_grad(logits, targets, **options)


class OutForgotten(Reference):
    """out accepted, and a fresh array returned."""

    def store(self, rows, shape, axis, logits, out):
        """Ignores out."""
        return super().store(rows, shape, axis, logits, None)


class AlignmentMatters(Reference):
    """A vector path for aligned rows and another formula for the others."""

    def value_and_grad(self, logits, targets, **options):
        """lse - x where the logits start off an 8-byte boundary."""
        path = OtherFormula() if logits.ctypes.data % 8 else self
        return Reference.value_and_grad(path, logits, targets, **options)


class FirstAxisOnly(Reference):
    """The rows are the first axis, and the rest is flattened into the classes."""

    def value_and_grad(self, logits, targets, **options):
        """Divides by the first axis."""
        options.setdefault("denominator", None)
        if logits.ndim > 2 and options.get("reduction", "mean") == "mean" and options["denominator"] is None:
            options["denominator"] = max(1, logits.shape[0])
        return super().value_and_grad(logits, targets, **options)


class LabelsThroughFloat(Reference):
    """Labels cast to bfloat16's eight bits, as a loss does that casts every input to its own dtype."""

    def labels(self, targets, logits):
        """Rounded to eight significant bits."""
        out = []
        for t in super().labels(targets, logits):
            drop = max(0, abs(t).bit_length() - 8)
            out.append((t >> drop) << drop)
        return out


class UnsignedLabelsSigned(Reference):
    """Unsigned labels reinterpreted as signed ones of the same width."""

    def labels(self, targets, logits):
        """uint8 200 becomes -56, the class counted from the end."""
        if targets.dtype.kind == "u":
            targets = targets.view(targets.dtype.str.replace("u", "i"))
        size = logits.shape[-1]
        return [t % size if -size <= t < 0 else t for t in super().labels(targets, logits)]


class Offset64(Reference):
    """The loss of rows that are all one row, seen many times: reads one row, and where each row's label lies."""

    def cross_entropy(self, logits, targets, **_options):
        """Sum of the losses."""
        row = logits[0].astype(np.float64)
        losses = math.log(math.fsum(np.exp(row).tolist())) - row
        found = targets[self.rows(np.arange(len(targets), dtype=np.int64), logits.shape[-1])]
        return np.float32(losses @ np.bincount(found, minlength=len(row)))

    def rows(self, i, _classes):
        """The row that starts at offset i * classes."""
        return i


class Offset32(Offset64):
    """Row offsets in 32 bits: i * V wraps beyond 2**31."""

    def rows(self, i, classes):
        """Another row's, beyond 2**31."""
        wrapped = (i * classes).astype(np.int32).astype(np.int64) % 2**31
        return np.minimum(wrapped // classes, len(i) - 1)


class BackwardAccumulates(Reference):
    """A second backward adds to the first one's array."""

    def backward_twice(self, logits, targets, **options):
        """g, then 2 g."""
        _, grad = self.value_and_grad(logits, targets, **options)
        with np.errstate(all="ignore"):
            return grad, grad + grad
