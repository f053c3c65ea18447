"""The loss of rows whose classes lie on several ranks: states of rows travel, logits do not."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from xent import _door
from xent._door import NONE
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import PROBABILITIES, SKIPPED
from xent._kernels.cpu.shards import ALL_FIELDS, ELSEWHERE, PLAIN_FIELDS, WEIGHT
from xent.core import errors
from xent.core.batch import Total, ratio
from xent.core.row import NO_CAP
from xent.core.spec import Denominator, Spec, check_denominator
from xent.torch import distributed, kernels, shards
from xent.torch.call import Call, receive
from xent.torch.count import as_numpy, count_of
from xent.torch.distributed import Count, Ranks, Trouble
from xent.torch.errors import no_classes, wrong_shape
from xent.torch.functional import spec_of


def vocab_parallel_cross_entropy(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None = None,
    *,
    group: object = None,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    denominator: Denominator | float | None = None,
    sample_weight: Tensor | None = None,
    axis: int = 1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
) -> Tensor:
    """The loss of rows whose V classes are cut over the ranks of a tensor-parallel group, in rank order.

    Every rank passes all rows with its own classes, and the same targets; every rank gets the same loss, to the bit,
    and the gradient of its own logits. The logits do not travel: a rank sends its largest logit, the sum of its other
    terms and the target's logit (24 bytes a row; 56 with smoothing or probabilities), and all merge them in rank order.

    Args:
        input: (N, V_r) or (N, V_r, d1, ...), the classes of this rank, from none to all; or (V_r,). float16, bfloat16,
            float32 or float64. Or a DTensor whose class axis is sharded, and no other. Read.
        target: class indices 0 <= t < V, V the classes of all ranks, the input's shape without the class axis, the same
            on every rank; or this rank's part of the probability rows >= 0, of the input's shape. Read.
        weight: (V,) weights >= 0 of all classes, or None. Read.
        group: the ProcessGroup, or DeviceMesh of one dimension, over which the classes are cut; None for a DTensor.
        denominator: what the mean is divided by, as in `xent.torch.cross_entropy`; a number where rows are cut over
            other ranks: `count_targets(target, group=...)` of those.
        sample_weight: the batch shape, or None. Read.
        ignore_index, reduction, label_smoothing, axis, lse_square_scale, softcap, logit_scale: as
            `xent.torch.cross_entropy`.

    Returns:
        The loss, in nats; float64 for float64 logits, else float32; reduction "none": the batch shape. Differentiable,
        once, by the input.

    Raises:
        TargetError, ShapeError, KindError, OptionError, as `xent.torch.cross_entropy`, on every rank at once, with the
        rank in its text: also where ranks differ in rows, targets or options. One small collective finds out, before
        the one that carries the rows.

    Error:
        At most 1 ULP of float32, 6 ULP for float64, from the loss of the uncut rows: tests/test_ranks/test_vocab.py.

    Source:
        The merge of two states: xent.core.row.
    """
    spec = spec_of(ignore_index, label_smoothing, reduction, axis, lse_square_scale, softcap, logit_scale)
    rule = None if denominator is None else check_denominator(denominator, reduction)
    input, target, group = unwrapped(input, target, group, axis)  # noqa: A001  # PyTorch's name
    ranks = Ranks.of(group)
    if torch.compiler.is_compiling():
        raise errors.StateError(
            "a loss with a group exchanges numbers between ranks: it runs outside of torch.compile."
        )
    shard = agreed(ranks, input, target, weight, sample_weight, spec, rule)
    fields, top = shards.states(shard.call.logits, shard.target)
    parts = ranks.gather(torch.from_numpy(fields)) if fields.size else [torch.from_numpy(fields)] * ranks.size
    known = np.stack([part.numpy() for part in parts])
    losses, z_losses, whole = shards.merged(known, shard.target)
    weights = shard.count.weight_units
    if shard.call.soft:
        each = known[:, :, WEIGHT].sum(axis=0)
        weights = launch.exact_sum(shard.target.index, shard.samples, NONE, each).units
    count = Count(weights, shard.count.items, shard.count.rows)
    divisor = 1, 1
    if reduction == "mean":
        divisor = count.divisor(rule or ("batch" if shard.call.soft else "weights"))
    made = Made(shard, top, whole, ratio(*divisor) or 1.0, ranks.rank)
    if divisor[0] == 0:
        errors.warn(errors.empty_batch())
    value = reported(shard, losses, z_losses, divisor)
    loss: Tensor = _Shard.apply(shard.call.logits, value, made)
    return loss


@dataclass(frozen=True)
class Shard:
    """What one rank has of a call on which all ranks agree."""

    call: Call  # the logits (*shape, V_r)
    target: shards.Target  # what the kernels take
    samples: NDArray[np.float64]  # (N,); or none
    count: Count


@dataclass(frozen=True)
class Made:
    """What the way back needs."""

    shard: Shard
    top: NDArray[np.int64]
    whole: NDArray[np.float64]
    number: float
    rank: int


def agreed(
    ranks: Ranks,
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    spec: Spec,
    rule: Denominator | float | None,
) -> Shard:
    """Check what every rank has, and that it fits together; one small collective."""
    trouble, said = Trouble(), [0] * 6
    with trouble.caught():
        call = receive(input, target, None, sample_weight, spec, rule)
        check_detached(target=target, weight=weight, sample_weight=sample_weight)
        samples = kernels.doubles(None if sample_weight is None else sample_weight.cpu())
        if call.soft:
            q = as_numpy(call.target)
            _door.weigh_probabilities(q, int(np.prod(q.shape[:-1])), NONE, spec)
        same = 0 if call.soft else zlib.crc32(np.ascontiguousarray(as_numpy(call.target)).tobytes())
        same = zlib.crc32(samples.tobytes(), same)
        options = f"{spec}, denominator={rule!r}, {'no weight' if weight is None else tuple(weight.shape)}"
        digest = zlib.crc32(f"{options}, {input.dtype}".encode())
        said = [0, call.logits.shape[-1], call.logits.shape[:-1].numel(), int(call.soft), same, digest]
    said[0] = int(trouble.error is not None)
    heard = np.stack([part.numpy() for part in ranks.gather(torch.tensor(said))])
    if heard[:, 0].any():
        distributed.raise_together(ranks, trouble.error)
    check_same(heard)
    sizes = heard[:, 1]
    start, classes = int(sizes[: ranks.rank].sum()), int(sizes.sum())
    if classes == 0:
        raise no_classes(tuple(input.shape))
    if weight is not None and weight.shape != (classes,):
        raise wrong_shape("weight", tuple(weight.shape), (classes,), "one weight a class of all ranks")
    whole = call._replace(logits=torch.empty((*call.logits.shape[:-1], classes), device="meta"), weight=weight)
    count = Count(0, int(heard[0, 2]), int(heard[0, 2])) if call.soft else count_of(whole)
    return Shard(call, target_of(whole, call, samples, start, sizes), samples, count)


def check_same(heard: NDArray[np.int64]) -> None:
    """ShapeError, OptionError where ranks differ in what they have to share."""
    names = ("rows", "kinds of targets", "targets or sample weights", "options or dtypes")
    for column, name in enumerate(names, 2):
        differs = np.flatnonzero(heard[:, column] != heard[0, column])
        if differs.size:
            kind = errors.ShapeError if name == "rows" else errors.OptionError
            numbers = f" ({heard[0, 2]} and {heard[differs[0], 2]})" if name == "rows" else ""
            raise kind(
                f"ranks 0 and {differs[0]} of {len(heard)} have different {name}{numbers}: where classes are cut over "
                "ranks, each has all rows.\n  Pass the group of the ranks that share these rows."
            )


def check_detached(**given: Tensor | None) -> None:
    """OptionError for what is not differentiated here."""
    for name, tensor in given.items():
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            raise errors.OptionError(f"{name} requires a gradient, which is not given here: pass {name}.detach().")


def target_of(
    whole: Call, call: Call, samples: NDArray[np.float64], start: int, sizes: NDArray[np.int64]
) -> shards.Target:
    """The target as the kernels take it: which of this shard's classes, on whose shard, with which weights."""
    spec, classes, mine = call.rule.spec, int(sizes.sum()), call.logits.shape[-1]
    class_weight = kernels.doubles(None if whole.weight is None else whole.weight.cpu())
    if class_weight.size:
        class_weight = _door.check_class_weight(class_weight, classes)
    rows, factor = call.logits.shape[:-1].numel(), NONE
    if call.soft:
        index, owner = np.full(rows, PROBABILITIES), np.full(rows, -1)
    else:
        index, _ = kernels.class_index(as_numpy(call.target), whole)
        owner = np.searchsorted(np.cumsum(sizes), index, side="right")
        if class_weight.size and not spec.soft:
            factor = np.where(index >= 0, class_weight[np.maximum(index, 0)], 0.0)
            index = np.where(factor == 0.0, SKIPPED, index)
        here = (index >= start) & (index < start + mine)
        index = np.where(index == SKIPPED, SKIPPED, np.where(here, index - start, ELSEWHERE))
    if samples.size:
        index = np.where(samples == 0.0, SKIPPED, index)
    weighed = call.soft or spec.soft
    return shards.Target(
        index=index,
        owner=owner,
        q=as_numpy(call.target).reshape(rows, mine) if call.soft else None,
        class_weight=np.ascontiguousarray(class_weight[start : start + mine])
        if weighed and class_weight.size
        else NONE,
        factor=factor,
        smoothing=spec.label_smoothing,
        classes=classes,
        fields=ALL_FIELDS if weighed else PLAIN_FIELDS,
        z_scale=spec.lse_square_scale,
        logit_scale=spec.logit_scale,
        softcap=NO_CAP if spec.softcap is None else spec.softcap,
    )


def reported(
    shard: Shard, losses: NDArray[np.float64], z_losses: NDArray[np.float64], divisor: tuple[int, int]
) -> Tensor:
    """The loss as `reduction` asks for it."""
    call, target, samples = shard.call, shard.target, shard.samples
    dtype = np.float64 if call.logits.dtype == torch.float64 else np.float32
    if call.rule.spec.reduction == "none":
        each = (losses * target.factor if target.factor.size else losses) + z_losses
        each = each * samples if samples.size else each
        with np.errstate(over="ignore"):
            return torch.from_numpy(each.astype(dtype).reshape(call.logits.shape[:-1])).to(call.logits.device)
    found = launch.exact_sum(target.index, samples, target.factor, losses)
    total = Total(found.units, 0, found.plus_infinities, found.minus_infinities, found.nans)
    if target.z_scale:
        z = np.where(np.isfinite(losses), z_losses, 0.0)  # a row that is not finite was counted above
        added = launch.exact_sum(target.index, samples, NONE, z)
        total += Total(added.units, 0, added.plus_infinities, added.minus_infinities)
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.asarray(dtype(total.over(*divisor)))).to(call.logits.device)


def unwrapped(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    group: object,
    axis: int,
) -> tuple[Tensor, Tensor, object]:
    """Of a DTensor the part of this rank, and the group it is cut over. OptionError, KindError."""
    try:
        from torch.distributed.tensor import DTensor, Replicate, Shard
    except ImportError:  # a build of PyTorch without torch.distributed
        return input, target, group
    if isinstance(target, DTensor):
        cut = [p for p in target.placements if not isinstance(p, Replicate)]
        if cut and not (isinstance(input, DTensor) and target.placements == input.placements):
            raise errors.OptionError(
                f"target is a DTensor placed as {tuple(target.placements)}: class indices must be replicated, "
                "probabilities placed as the input."
            )
        target = target.to_local()
    if not isinstance(input, DTensor):
        if group is None:
            raise errors.OptionError(
                "group is None, and input is no DTensor: which ranks have the other classes?\n"
                "  Pass the tensor-parallel group."
            )
        return input, target, group
    at = 0 if input.ndim == 1 and axis == 1 else axis % input.ndim
    cut = [k for k, p in enumerate(input.placements) if isinstance(p, Shard) and p.dim % input.ndim == at]
    others = [p for k, p in enumerate(input.placements) if k not in cut and not isinstance(p, Replicate)]
    if len(cut) != 1 or others:
        raise errors.OptionError(
            f"input is a DTensor placed as {tuple(input.placements)}: its class axis {at} must be sharded over one "
            "mesh dimension, and nothing else.\n  Of rows sharded too, pass input.to_local(), group=mesh['tp']."
        )
    return input.to_local(), target, input.device_mesh.get_group(cut[0])


def by_the_logits(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401  # PyTorch's
    """The gradient of this rank's logits, from the logits again."""
    (logits,), made = ctx.saved_tensors, ctx.made
    above = upstream.detach().cpu().double().numpy().reshape(-1)
    scale = np.broadcast_to(above / made.number, made.top.shape)
    scale = scale * made.shard.samples if made.shard.samples.size else np.ascontiguousarray(scale)
    return shards.gradient(logits, made.shard.target, made.top, made.whole, scale, made.rank), None, None


class _Shard(torch.autograd.Function):
    """The loss, and the gradient of this rank's logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, made: Made) -> Tensor:  # noqa: ANN401  # PyTorch's
        """The value."""
        ctx.save_for_backward(logits)
        ctx.made = made
        return value

    backward = staticmethod(once_differentiable(by_the_logits))
