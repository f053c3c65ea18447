"""Gradient accumulation whose count is not known beforehand: sums per micro-batch, one division at the end."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from xent.core import errors
from xent.core.batch import Total, ratio
from xent.core.spec import DENOMINATORS, check_choice
from xent.torch import distributed
from xent.torch.distributed import Count, Ranks, Trouble
from xent.torch.functional import spec_of
from xent.torch.rows import Options, divided, prepared


class GradientAccumulator:
    """Gradients of the mean over a whole step, from micro-batches whose counts are not known beforehand.

        acc = GradientAccumulator(model)
        for inputs, targets in micro_batches:
            acc.backward(model(inputs), targets)
        loss = acc.divide()
        optimizer.step()
        optimizer.zero_grad()

    `backward` adds the gradient of the sum of a micro-batch's losses to `.grad`; `divide` divides every `.grad` by what
    counted in the whole step, over all ranks of `group`. Clip, or `scaler.unscale_`, after `divide`. A part in which
    nothing counts, and a rank without any part, add nothing. Gradients of other losses would be divided too: add them
    after `divide`.

    Until `divide`, gradients carry a power of two near the last step's 1/count, so that half precision neither
    overflows nor underflows; powers of two change no bits.

    Args:
        model: a module, or its parameters. Their `.grad` is written.
        group: the ProcessGroup (or DeviceMesh of one dimension) over which gradients are combined; None for a single
            process. Every rank of it calls `divide`: one small collective a step.
        grad_reduce: how they are combined: "mean" (DDP, FSDP), or "sum" (by hand, also after `divide`).
        scaler: a torch.amp.GradScaler whose scale the gradients carry, or None.
        weight: (V,) class weights, or None. Read.
        ignore_index, label_smoothing, axis, lse_square_scale, softcap, logit_scale: as `xent.torch.cross_entropy`.
        denominator: None: the sum of weights for class indices, the number of rows for probability rows. "weights",
            "items" (rows not ignored) or "batch" (all rows).

    Raises:
        OptionError: more than one rank and no group; a group that is not the model's (DistributedDataParallel).

    Error:
        The reported loss: as `xent.torch.cross_entropy` of the whole step, to the bit, on every rank. Gradients: one
        rounding of the factor and one of the product per step, besides those of adding micro-batches.
        tests/test_ranks/test_accumulate.py.

    Example:
        >>> model = torch.nn.Linear(2, 3, dtype=torch.float64)
        >>> acc = GradientAccumulator(model)
        >>> acc.backward(model(torch.zeros(3, 2, dtype=torch.float64)), torch.tensor([0, 1, -100]))
        >>> acc.backward(model(torch.ones(1, 2, dtype=torch.float64)), torch.tensor([2]))
        >>> loss = acc.divide()
    """

    def __init__(
        self,
        model: torch.nn.Module | Iterable[Tensor],
        *,
        group: object = None,
        grad_reduce: str = "mean",
        scaler: Any = None,  # noqa: ANN401  # torch.amp.GradScaler, or what has its `scale`
        weight: Tensor | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        denominator: str | None = None,
        axis: int = 1,
        lse_square_scale: float = 0.0,
        softcap: float | None = None,
        logit_scale: float = 1.0,
    ) -> None:
        self.parameters = _parameters(model)
        self.grad_reduce = distributed.check_grad_reduce(grad_reduce)
        self.denominator = denominator
        if denominator is not None:
            check_choice("denominator", denominator, DENOMINATORS)
        if scaler is not None and not callable(getattr(scaler, "scale", None)):
            raise errors.bad_kind("scaler", scaler, "a torch.amp.GradScaler, or None")
        self.scaler = scaler
        self.options = Options(
            weight, spec_of(ignore_index, label_smoothing, "mean", axis, lse_square_scale, softcap, logit_scale)
        )
        self.ranks: Ranks | None = None
        if group is None:
            distributed.needs_group()
        else:
            self.ranks = Ranks.of(group)
            _check_same_group(self.ranks, model)
        self._provisional = 1.0  # what gradients are multiplied by until they are divided: a power of two
        self._begin()

    def _begin(self) -> None:
        """Begin a step."""
        self._total, self._count, self._calls = Total.zero(), Count(), 0
        self._soft, self._double, self._trouble = 0, False, Trouble()

    def backward(self, logits: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> None:
        """Add the gradient of the sum of a micro-batch's weighted losses to the parameters' `.grad`.

        Args:
            logits: (N, V), (N, V, d1, ...) or (V,), with a graph behind them. Read.
            targets: class indices or probability rows, as in `xent.torch.cross_entropy`. Read.
            sample_weight: the batch shape, >= 0, or None. Read.

        Raises:
            TargetError and its like: at once in a single process. With `group`, the micro-batch adds nothing, so that
            no rank waits for another, and `divide` raises on every rank.
            StateError: gradients are left over from before this step.
        """
        if self.ranks is None:
            distributed.needs_group()
        if not self._calls:
            self._check_no_gradient()
        self._calls += 1
        if self.ranks is None:
            loss = self._add(logits, targets, sample_weight)
        else:
            loss = None
            with self._trouble.caught():
                loss = self._add(logits, targets, sample_weight)
            if loss is None:
                logits.backward(torch.zeros_like(logits))  # the other ranks' gradients wait for this rank's
                return
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def _add(self, logits: Tensor, targets: Tensor, sample_weight: Tensor | None) -> Tensor:
        """The sum of a micro-batch's losses × the provisional factor, with its graph; counted."""
        call, counted = prepared(logits, targets, sample_weight, self.options)
        loss, total = divided(call, 1.0 / self._provisional)
        self._soft += call.soft
        self._double |= logits.dtype == torch.float64
        self._total, self._count = self._total + total, self._count + counted
        return loss

    def divide(self) -> Tensor:
        """Divide every `.grad` by what counted in the step; the step's mean loss.

        Returns:
            The mean over the step, in nats, without a graph; float64 for float64 logits, else float32; the same bits on
            every rank. 0, with an EmptyBatchWarning, where nothing counted.

        Raises:
            StateError: there was no `backward` since the last `divide`, on any rank.
            With `group`: the error that a `backward` had on some rank, on every rank, with the rank in its text.
        """
        total, count, trouble = self._total, self._count, self._trouble
        odd = (total.plus_infinities, total.minus_infinities, total.nans, total.negative_weights)
        large = [total.sum_units, count.weight_units]
        small = [count.items, count.rows, self._calls, self._soft, int(self._double), *odd]
        self._begin()
        if self.ranks is not None:
            large, small = distributed.agree(self.ranks, large, small, str(self), trouble.error)
        items, rows, calls, soft, double, *found = small
        if not calls:
            raise errors.StateError(
                "divide was called without a backward since the last divide: there is nothing to divide.\n"
                "  Call it once a step, after the last micro-batch."
            )
        if self.denominator is None and 0 < soft < calls:
            raise errors.OptionError(
                f"{soft} of {calls} micro-batches have probability rows, the others class indices, and by themselves "
                'these are divided differently.\n  Pass denominator="weights", "items" or "batch".'
            )
        rule = self.denominator or ("batch" if soft else "weights")
        divisor = Count(large[1], items, rows).divisor(rule)
        loss = Total(large[0], large[1], *found).over(*divisor)
        if divisor[0] == 0:
            errors.warn(errors.empty_batch())
        else:
            self._scale_gradients(divisor)
        return torch.tensor(loss, dtype=torch.float64 if double else torch.float32, device=self._device())

    def __str__(self) -> str:
        """What has to be the same on every rank."""
        named = f"denominator={self.denominator!r}, grad_reduce={self.grad_reduce!r}"
        return f"{named}, {self.options}, gradients times {self._provisional!r} so far"

    def _scale_gradients(self, divisor: tuple[int, int]) -> None:
        """Divide every gradient; choose the next step's provisional factor."""
        times = distributed.gradient_factor(self.ranks, self.grad_reduce)
        final = ratio(times * divisor[1], divisor[0])
        factor = final / self._provisional  # exact: a power of two
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
        self._provisional = distributed.nearest_power(final)

    def _device(self) -> torch.device:
        """Where the loss is wanted."""
        return self.parameters[0].device if self.parameters else torch.device("cpu")

    def _check_no_gradient(self) -> None:
        """StateError where a gradient is left over from before the step: it would be divided once more."""
        left = sum(p.grad is not None and bool(torch.count_nonzero(_local(p.grad))) for p in self.parameters)
        if left:
            raise errors.StateError(
                f"{left} of {len(self.parameters)} parameters have a gradient from before this step, which `divide` "
                "would divide once more.\n  Call optimizer.zero_grad() after every step."
            )


def _local(tensor: Tensor) -> Tensor:
    """Of a DTensor the part of this rank; of a sparse gradient its values."""
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part.coalesce().values() if part.is_sparse else part


def _parameters(model: torch.nn.Module | Iterable[Tensor]) -> list[Tensor]:
    """The parameters that want a gradient, each once. KindError."""
    given = model.parameters() if isinstance(model, torch.nn.Module) else model
    if isinstance(given, Tensor) or not isinstance(given, Iterable):
        raise errors.bad_kind("model", model, "a module, or an iterable of its parameters")
    found = list(given)
    if not all(isinstance(each, Tensor) for each in found):
        raise errors.bad_kind(
            "model", found[0], "made of tensors", "Of an optimizer: [p for g in opt.param_groups for p in g['params']]."
        )
    return list({id(each): each for each in found if each.requires_grad}.values())


def _check_same_group(ranks: Ranks, model: object) -> None:
    """OptionError where DistributedDataParallel averages over other ranks than those that are counted."""
    if not isinstance(model, DistributedDataParallel):
        return
    averaged = dist.get_process_group_ranks(model.process_group)
    if averaged != ranks.members:
        raise errors.OptionError(
            f"group has the ranks {ranks.members}, and the model averages its gradients over {averaged}.\n"
            "  Pass the same group to both."
        )
