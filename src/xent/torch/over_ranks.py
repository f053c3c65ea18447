"""The loss over the ranks of a group: the same value on each, and gradients that combine to those of the whole."""

from typing import Any

import torch
from torch import Tensor

from xent.core import errors
from xent.core.spec import Spec, check_denominator
from xent.torch import distributed
from xent.torch.distributed import Count, Ranks, Trouble
from xent.torch.rows import Options, divided, prepared


def over_ranks(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    spec: Spec,
    denominator: object,
    group: object,
    grad_reduce: object,
) -> Tensor:
    """The loss of the rows of all ranks, on every rank; one small collective before the kernel, one after it.

    The first adds counts and error flags, the second exact totals. Derivatives stay local: this rank's rows, times the
    number of ranks where gradients will be averaged.
    """
    ranks, combine = Ranks.of(group), distributed.check_grad_reduce(grad_reduce)
    if torch.compiler.is_compiling():
        raise errors.StateError(
            "a loss with a group exchanges numbers between ranks: it runs outside of torch.compile."
        )
    check_options(spec)
    rule = None if denominator is None else check_denominator(denominator, spec.reduction)
    trouble, count, soft, double = Trouble(), Count(), 0, 0
    with trouble.caught():
        call, count = prepared(input, target, sample_weight, Options(weight, spec))
        soft, double = int(call.soft), int(input.dtype == torch.float64)
    said = f"reduction={spec.reduction!r}, denominator={rule!r}, grad_reduce={combine!r}, {Options(weight, spec)}"
    (weights,), (items, rows, soft, double) = distributed.agree(
        ranks, (count.weight_units,), (count.items, count.rows, soft, double), said, trouble.error
    )
    divisor = 1, 1
    if spec.reduction == "mean":
        divisor = Count(weights, items, rows).divisor(rule or ("batch" if soft else "weights"))
    number = distributed.number(divisor) if spec.reduction == "mean" else 1
    local, total = divided(call, number or 1, distributed.gradient_factor(ranks, combine))
    value = distributed.add_totals(ranks, total).over(*divisor)
    if divisor[0] == 0:
        errors.warn(errors.empty_batch())
    whole = torch.tensor(value, dtype=torch.float64 if double else torch.float32, device=input.device)
    reported: Tensor = _Reported.apply(local, whole)
    return reported


def check_options(spec: Spec) -> None:
    """OptionError for what has no meaning over ranks."""
    if spec.reduction == "none":
        raise errors.bad_option(
            "reduction", "none", '"mean" or "sum" with a group', "Losses of rows stay on their rank: leave group out."
        )
    if spec.returns:
        raise errors.bad_option(
            "returns", spec.returns, "() with a group", "Ask for them in a call without a group, under torch.no_grad()."
        )


class _Reported(torch.autograd.Function):
    """The value of all ranks, with the derivative of this rank's part."""

    @staticmethod
    def forward(local: Tensor, whole: Tensor) -> Tensor:  # noqa: ARG004  # its derivative is taken
        """The value."""
        return whole.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG004  # PyTorch's
        """The dtype of this rank's part."""
        ctx.dtype = inputs[0].dtype

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401  # PyTorch's
        """What comes from above goes to this rank's part."""
        return upstream.to(ctx.dtype), None
