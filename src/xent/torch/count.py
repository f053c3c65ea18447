"""How much some targets count for: what the mean over them is divided by, before there are any logits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xent import _door
from xent._kernels.cpu import launch
from xent._kernels.cpu.rows import SKIPPED
from xent.core import errors
from xent.core.batch import GRID
from xent.core.spec import DEFAULT, DENOMINATORS, check_choice, check_whole
from xent.torch import distributed, kernels
from xent.torch.call import Call
from xent.torch.distributed import Count, Ranks, Trouble

Targets = Any  # a tensor, a batch that holds one, or a list of either
Finder = str | int | Callable[[Any], Any]


def count_targets(
    batches: Targets,
    *,
    weight: Tensor | None = None,
    sample_weight: Tensor | list[Tensor] | None = None,
    ignore_index: int | None = -100,
    denominator: str | None = None,
    axis: int = 1,
    shift: int = 0,
    key: Finder | None = None,
    group: object = None,
) -> int | float:
    """What the mean over one batch, or over all micro-batches of a step, is divided by; over all ranks with `group`.

    It depends on targets and weights alone, so it is known before the first forward pass. Pass it to every part of the
    step as `denominator=`: the losses of the parts, and their gradients, then add up to those of the whole.

    Args:
        batches: one batch, or a list of batches. A batch is a tensor of targets, or whatever `key` finds one in. Class
            indices: any integer dtype and shape. Probability rows: a float dtype, the class axis at `axis`. Read.
        weight: (V,) class weights, or None. Read.
        sample_weight: row weights >= 0, of the targets' batch shape; for a list of batches a list; or None. Read.
        ignore_index: the class index that is left out; None leaves nothing out.
        denominator: None: what `xent.torch.cross_entropy` divides by of itself: the sum of weights for class indices,
            the number of rows for probability rows. "weights", "items" (rows not ignored), "batch" (all rows).
        axis: the class axis of probability rows; of no meaning for class indices.
        shift: how many labels at the start of the last axis no logit predicts: 1 for causal language models whose
            labels are shifted inside the model.
        key: where the targets of a batch are: a key or an index (`batch[key]`), or a function of the batch. None: the
            batch is its targets.
        group: the ProcessGroup, or DeviceMesh of one dimension, to count over; every rank of it has to call, with an
            empty list where it has no batch. One small collective.

    Returns:
        A whole number (int) where it is one, else a float, the exact sum rounded once.

    Raises:
        TargetError: a negative class index that is not ignored, or one beyond `weight`; a bad probability.
        OptionError: more than one rank and no group; an option or a negative sample_weight. ShapeError, KindError.
        With `group`, an error of one rank is raised on all of them, with the rank in its text.

    Error:
        None: sums are exact. tests/test_ranks/test_count.py.

    Example:
        >>> micro_batches = [torch.tensor([3, 1, -100]), torch.tensor([[0, -100]])]
        >>> count_targets(micro_batches)
        3
        >>> count_targets({"labels": torch.tensor([[7, 8, 9]])}, key="labels", shift=1)
        2
    """
    rule = denominator if denominator is None else check_choice("denominator", denominator, DENOMINATORS)
    shift = check_whole("shift", shift, "a whole number >= 0")
    if shift < 0:
        raise errors.bad_option("shift", shift, "a whole number >= 0")
    ranks = None
    if group is None:
        distributed.needs_group()
    else:
        ranks = Ranks.of(group)
    trouble, found, soft = Trouble(), Count(), set[bool]()
    with trouble.caught():
        parts = list(found_in(batches, key))
        for targets, samples in zip(parts, sample_weights(sample_weight, len(parts)), strict=True):
            soft.add(targets.is_floating_point())
            found += count(targets, weight, samples, ignore_index, axis, shift)
        if len(soft) > 1:
            raise errors.KindError(
                "some targets are integers, some are floats: class indices and probability rows are not counted "
                "together.\n  If a batch is (inputs, targets), pass key=1."
            )
    if ranks is not None:
        options = f"denominator={rule!r}, ignore_index={ignore_index!r}, shift={shift}"
        small = (found.items, found.rows, int(True in soft))
        (weights,), (items, rows, with_rows) = distributed.agree(
            ranks, (found.weight_units,), small, options, trouble.error
        )
        found = Count(weights, items, rows)
    elif trouble.error is not None:
        raise trouble.error
    else:
        with_rows = int(True in soft)
    return distributed.number(found.divisor(rule or ("batch" if with_rows else "weights")))


def found_in(batches: Targets, key: Finder | None) -> Iterable[Tensor]:
    """The targets of one batch or of several. KindError."""
    one = isinstance(batches, Tensor | Mapping) or (key is not None and not isinstance(batches, list))
    if isinstance(batches, tuple) and key is None:
        raise errors.KindError(
            "batches is a tuple, which may be one batch (inputs, targets) or several: it must be a tensor of targets "
            "or a list.\n  One batch: count_targets(batch[1]). Several: count_targets(list(batches))."
        )
    for place, batch in enumerate([batches] if one else batches):
        targets = batch
        if key is not None:
            targets = key(batch) if callable(key) else batch[key]
        if not isinstance(targets, Tensor):
            name = "batches" if one else f"batches[{place}]"
            hint = "Say where its targets are: key=1 for (inputs, targets), key='labels' for a dictionary."
            raise errors.bad_kind(name, targets, "a tensor of targets", hint * (key is None))
        yield targets


def sample_weights(given: Any, parts: int) -> list[Tensor | None]:  # noqa: ANN401  # checked here
    """A sample weight, or None, for every batch. ShapeError."""
    if given is None:
        return [None] * parts
    several = [given] if isinstance(given, Tensor) else list(given)
    if len(several) != parts:
        raise errors.ShapeError(f"sample_weight has {len(several)} parts, and there are {parts} batches.")
    return several


def count(
    targets: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    ignore_index: int | None,
    axis: int,
    shift: int = 0,
) -> Count:
    """What the targets of one batch count for. TargetError, KindError, ShapeError, OptionError."""
    if targets.is_floating_point():
        array = as_numpy(targets)
        axis = _door.check_axis(axis if array.ndim > 1 else 0, array)
        return _count_rows(np.moveaxis(array, axis, -1), weight, sample_weight)
    if targets.dtype == torch.bool or targets.is_complex():
        raise errors.wrong_targets(targets.dtype, floats=False)
    if shift:
        targets = targets[..., shift:]
        sample_weight = None if sample_weight is None else sample_weight[..., shift:]
    numbers = as_numpy(targets)
    classes = int(np.iinfo(np.int64).max)
    if weight is None:
        _check_not_negative(numbers, ignore_index)
    else:
        classes = weight.numel()
    index = _door.class_index(numbers, classes, ignore_index)
    return _count_index(index, numbers.shape, weight, classes, sample_weight)


def count_of(call: Call) -> Count:
    """What the rows of a call count for; TargetIndexError for a label that is no class."""
    if call.soft:
        return _count_rows(as_numpy(call.target), call.weight, call.sample_weight)
    target = as_numpy(call.target)
    index, _ = kernels.class_index(target, call)
    return _count_index(index, target.shape, call.weight, call.logits.shape[-1], call.sample_weight)


def _count_index(
    index: NDArray[np.int64], shape: tuple[int, ...], weight: Tensor | None, classes: int, sample_weight: Tensor | None
) -> Count:
    """What class indices count for."""
    items, samples = int(np.count_nonzero(index != SKIPPED)), _samples(sample_weight, shape)
    if weight is None and not samples.size:
        return Count(items << -GRID, items, index.size)
    each = np.ones(index.size)
    if weight is not None:
        each = _door.check_class_weight(as_numpy(weight), classes)[np.maximum(index, 0)]
    return Count(launch.exact_sum(index, samples, _door.NONE, each).units, items, index.size)


def _count_rows(q: NDArray[Any], weight: Tensor | None, sample_weight: Tensor | None) -> Count:
    """What probability rows count for, the class axis last."""
    rows = int(np.prod(q.shape[:-1], dtype=np.int64))
    class_weight = _door.NONE if weight is None else _door.check_class_weight(as_numpy(weight), q.shape[-1])
    index, _, _, row_weight = _door.weigh_probabilities(q, rows, class_weight, DEFAULT)
    samples = _samples(sample_weight, q.shape[:-1])
    return Count(launch.exact_sum(index, samples, _door.NONE, row_weight).units, rows, rows)


def _samples(sample_weight: Tensor | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(N,) row weights >= 0; or none."""
    if sample_weight is None:
        return _door.NONE
    samples = _door.check_sample_weight(as_numpy(sample_weight), shape)
    if (samples < 0.0).any():
        words = "the sum of negative weights is no denominator"
        raise _door.bad_entry("sample_weight", samples.reshape(shape), samples.reshape(shape) < 0.0, words)
    return samples


def _check_not_negative(targets: NDArray[Any], ignore_index: int | None) -> None:
    """TargetError for a negative class index that is not ignored."""
    bad = targets < 0
    if ignore_index is not None and ignore_index < 0:
        bad &= targets != ignore_index
    if not bad.any():
        return
    first = tuple(map(int, np.unravel_index(int(bad.argmax()), bad.shape)))
    came, count = int(targets[first]), int(bad.sum())
    place = f"targets[{', '.join(map(str, first))}]" if first else "targets"
    raise errors.TargetError(
        f"{count} of {bad.size} targets {'is' if count == 1 else 'are'} negative, first {place} = {came}: a class "
        f"index is >= 0 or equals ignore_index ({ignore_index}).\n  If {came} marks padding, pass ignore_index={came}."
    )


def as_numpy(tensor: Tensor) -> NDArray[Any]:
    """A tensor's numbers as NumPy's, without a copy where they lie on the CPU; bfloat16 as float32."""
    if hasattr(tensor, "to_local"):
        raise errors.bad_kind("targets", "DTensor", "a plain tensor", "The shard of this rank: targets.to_local().")
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
