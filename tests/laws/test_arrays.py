"""Laws of arrays: layout, byte order, alignment, axis, label dtypes, in place, nothing written, nothing shared."""

import hashlib
import math
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tests import mutants
from tests.laws.bits import assert_same
from tests.laws.calls import run
from tests.laws.cases import Batch, batches, broken_rows
from tests.laws.registry import law


def big_endian(a: np.ndarray) -> np.ndarray:
    """The other byte order; bfloat16 has only one."""
    return a if a.dtype.kind == "V" else a.astype(a.dtype.newbyteorder(">"))


def sliced(a: np.ndarray) -> np.ndarray:
    """Every other entry along every axis of a larger array full of something else."""
    whole = np.full(tuple(2 * s + 3 for s in a.shape), 99, a.dtype)
    part = whole[tuple(slice(1, 2 * s + 1, 2) for s in a.shape)]
    part[...] = a
    return part


def reversed_twice(a: np.ndarray) -> np.ndarray:
    """Negative strides along every axis."""
    flip = (slice(None, None, -1),) * a.ndim
    return a[flip].copy()[flip]


def read_only(a: np.ndarray) -> np.ndarray:
    """A copy that may not be written."""
    out = a.copy()
    out.flags.writeable = False
    return out


def misaligned(offset: int):
    """A copy that starts `offset` bytes after a 64-byte boundary."""

    def lay(a: np.ndarray) -> np.ndarray:
        room = np.empty(a.nbytes + 128, np.uint8)
        start = -room.ctypes.data % 64 + offset
        out = room[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
        out[...] = a
        return out

    return lay


def mapped(a: np.ndarray) -> np.ndarray:
    """A read-only memory map of a file, with a header before the data."""
    if not a.size:
        return a
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(b"header." + a.tobytes())
        raw = np.memmap(path, np.uint8, "r", 7)
        return raw.view(a.dtype).reshape(a.shape)


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "sliced": sliced,
    "reversed": reversed_twice,
    "big-endian": big_endian,
    "read-only": read_only,
    "memory map": mapped,
    "big-endian, sliced": lambda a: sliced(big_endian(a)),
    "Fortran, read-only": lambda a: read_only(np.asfortranarray(a)),
}


@law(
    mutants.StridesIgnored,
    mutants.ByteOrderIgnored,
    needs=("layouts",),
    share=2,
    batch=broken_rows(),
    layout=st.sampled_from(sorted(LAYOUTS)),
    what=st.sampled_from(["logits", "targets", "both", "options"]),
)
def test_the_layout_of_an_array_changes_no_bit(front, batch, layout, what):
    batch = batch.on(front)
    lay = LAYOUTS[layout]
    logits = lay(batch.logits) if what in ("logits", "both") else batch.logits
    targets = lay(batch.targets) if what in ("targets", "both") else batch.targets
    options = batch.options
    if what == "options":
        options = {k: lay(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}

    (loss, grad), (other_loss, other_grad) = run(front, batch), run(front, Batch(logits, targets, options))

    assert_same(other_loss, loss, f"loss, {layout}")
    assert_same(other_grad, grad, f"gradient, {layout}")
    assert other_grad.flags.c_contiguous
    assert other_grad.flags.writeable


@law(mutants.AlignmentMatters, needs=("layouts",), batch=broken_rows(), start=st.integers(0, 63))
def test_the_alignment_of_an_array_changes_no_bit(front, batch, start):
    batch = batch.on(front)
    moved = Batch(misaligned(start)(batch.logits), misaligned(63 - start)(batch.targets), batch.options)

    (loss, grad), (other_loss, other_grad) = run(front, batch), run(front, moved)

    assert_same(other_loss, loss, f"loss, {start} bytes after a 64-byte boundary")
    assert_same(other_grad, grad, "gradient")


@law(mutants.AlignmentMatters, needs=("out",), batch=broken_rows(), start=st.integers(0, 63))
def test_the_alignment_of_out_changes_no_bit(front, batch, start):
    batch = batch.on(front)
    loss, grad = run(front, batch)
    out = misaligned(start)(np.zeros_like(batch.logits))
    other_loss, other = run(front, Batch(misaligned(start)(batch.logits), batch.targets, batch.options), out=out)

    assert_same(other_loss, loss, "loss")
    assert_same(other, grad, "gradient")


@law(
    mutants.StridesIgnored,
    needs=("layouts",),
    batch=batches(rows=st.sampled_from([1, 2, 5])),
    axis=st.sampled_from([0, 1]),
)
def test_a_zero_stride_is_its_copies_and_the_gradient_is_dense(front, batch, axis):
    batch = batch.on(front)
    one = batch.logits[:1] if axis == 0 else np.ascontiguousarray(batch.logits[:, :1])
    thin = np.broadcast_to(one, batch.logits.shape)
    thick = Batch(np.ascontiguousarray(thin), batch.targets, batch.options)

    (loss, grad), (thin_loss, thin_grad) = run(front, thick), run(front, Batch(thin, batch.targets, batch.options))

    assert_same(thin_loss, loss, "loss")
    assert_same(thin_grad, grad, "gradient")
    assert thin_grad.flags.c_contiguous
    assert thin_grad.flags.writeable


def shapes_of(rows: int) -> list[tuple[int, ...]]:
    """Ways to lay out so many rows as batch axes."""
    found = [(rows,), (rows, 1), (1, rows), (1, rows, 1)]
    found += [(a, rows // a) for a in range(2, rows) if rows % a == 0]
    found += [(a, 1, rows // a, 1) for a in range(2, rows) if rows % a == 0]
    return found


@law(
    mutants.LastAxisAlways,
    needs=("axis",),
    batch=broken_rows(),
    pick=st.integers(0, 9),
    place=st.integers(0, 9),
    negative=st.booleans(),
    reduction=st.sampled_from(["mean", "none"]),
)
def test_any_batch_axes_and_any_class_axis_give_the_bits_of_the_flat_batch(
    front, batch, pick, place, negative, reduction
):
    batch = batch.on(front).with_options(reduction=reduction)
    flat_loss, flat_grad = run(front, batch)
    shapes = shapes_of(len(batch.logits))
    shape = shapes[pick % len(shapes)]
    axis = place % (len(shape) + 1)

    def spread(a):
        return np.moveaxis(a.reshape(*shape, a.shape[-1]), -1, axis)

    logits = spread(batch.logits)
    targets = spread(batch.targets) if batch.targets.ndim == 2 else batch.targets.reshape(shape)
    options = {k: v.reshape(shape) if k == "sample_weight" else v for k, v in batch.options.items()}
    asked = axis - logits.ndim if negative else axis
    loss, grad = run(front, Batch(logits, targets, options), axis=asked)

    assert_same(loss, flat_loss.reshape(shape) if reduction == "none" else flat_loss, "loss")
    assert grad.shape == logits.shape
    assert_same(np.moveaxis(grad, axis, -1).reshape(flat_grad.shape), flat_grad, "gradient")


@law(mutants.FirstAxisOnly, batch=broken_rows(), pick=st.integers(0, 9))
def test_more_batch_axes_are_more_rows(front, batch, pick):
    batch = batch.on(front)
    flat_loss, flat_grad = run(front, batch)
    shapes = shapes_of(len(batch.logits))
    shape = shapes[pick % len(shapes)]
    options = {k: v.reshape(shape) if k == "sample_weight" else v for k, v in batch.options.items()}
    logits = batch.logits.reshape(*shape, batch.logits.shape[1])
    targets = batch.targets.reshape(logits.shape if batch.targets.ndim == 2 else shape)
    loss, grad = run(front, Batch(logits, targets, options))

    assert_same(loss, flat_loss, "loss")
    assert_same(grad, flat_grad.reshape(logits.shape), "gradient")


LABELS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


@law(
    mutants.UnsignedLabelsSigned,
    share=2,
    batch=batches(soft=False, ignored=False, classes=st.sampled_from([2, 3, 127, 128, 256, 300])),
    kind=st.sampled_from(LABELS),
    other_order=st.booleans(),
)
def test_the_dtype_of_the_labels_changes_no_bit(front, batch, kind, other_order):
    batch = batch.on(front)
    top = min(batch.logits.shape[1] - 1, int(np.iinfo(kind).max))
    targets = top - batch.targets % (top + 1)  # the largest classes too
    labels = targets.astype(kind)
    labels = labels.astype(labels.dtype.newbyteorder(">")) if other_order else labels
    wide = Batch(batch.logits, targets, batch.options)

    (loss, grad), (other_loss, other_grad) = run(front, wide), run(front, Batch(batch.logits, labels, batch.options))

    assert_same(other_loss, loss, f"loss, {labels.dtype.str} labels")
    assert_same(other_grad, grad, f"gradient, {labels.dtype.str} labels")


@law(mutants.InPlaceReadsAfterWriting, mutants.OutForgotten, needs=("out",), batch=broken_rows())
def test_writing_over_the_logits_gives_the_bits_of_a_fresh_gradient(front, batch):
    batch = batch.on(front)
    loss, grad = run(front, batch)
    own = batch.logits.copy()
    in_place_loss, in_place = run(front, Batch(own, batch.targets, batch.options), out=own)

    assert in_place is own
    assert_same(in_place_loss, loss, "loss")
    assert_same(in_place, grad, "gradient")


@law(
    mutants.OutForgotten,
    needs=("out",),
    batch=broken_rows(),
    layout=st.sampled_from(["C", "Fortran", "sliced", "reversed", "big-endian"]),
    in_place=st.booleans(),
)
def test_out_of_any_layout_gets_the_gradient(front, batch, layout, in_place):
    batch = batch.on(front)
    loss, grad = run(front, batch)
    lay = {
        "C": np.copy,
        "Fortran": np.asfortranarray,
        "sliced": sliced,
        "reversed": reversed_twice,
        "big-endian": big_endian,
    }[layout]
    logits = lay(batch.logits.copy())
    out = logits if in_place else lay(np.full_like(batch.logits, 7))
    written_loss, written = run(front, Batch(logits, batch.targets, batch.options), out=out)

    assert written is out
    assert_same(written_loss, loss, "loss")
    assert_same(out, grad, "gradient")


def digest(*arrays) -> str:
    """Of every byte of every array that is one."""
    hashed = hashlib.sha256()
    for a in arrays:
        if isinstance(a, np.ndarray):
            hashed.update(a.tobytes())
    return hashed.hexdigest()


@law(mutants.WritesLogits, batch=broken_rows())
def test_nothing_that_was_passed_is_written(front, batch):
    batch = batch.on(front)
    before = digest(batch.logits, batch.targets, *batch.options.values())
    run(front, batch)
    with_totals = front.has("total")
    if with_totals:
        front.total(batch.logits, batch.targets, **{k: v for k, v in batch.options.items() if k != "reduction"})

    assert digest(batch.logits, batch.targets, *batch.options.values()) == before


@law(mutants.ReturnsTheInput, batch=broken_rows(), reduction=st.sampled_from(["mean", "none"]))
def test_no_result_shares_memory_with_an_argument_or_an_earlier_result(front, batch, reduction):
    batch = batch.on(front).with_options(reduction=reduction)
    logits = batch.logits.copy()
    own = Batch(logits, batch.targets.copy(), batch.options)
    loss, grad = run(front, own)
    kept = grad.copy()
    second_loss, second = run(front, own)

    for mine in (loss, grad, second_loss, second):
        for theirs in (logits, own.targets, *own.options.values()):
            if isinstance(theirs, np.ndarray) and isinstance(mine, np.ndarray):
                assert not np.shares_memory(mine, theirs)
    assert not np.shares_memory(grad, second)
    if isinstance(loss, np.ndarray) and math.prod(loss.shape):
        assert not np.shares_memory(loss, second_loss)
    second[...] = 1
    assert_same(grad, kept, "the first gradient after the second was overwritten")
