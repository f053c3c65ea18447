"""The loss in autograd: its gradient is made in forward, where somebody wants it, and handed over once.

`Loss` and `Gradient` are each other's derivative; what comes after them are plain formulas, so that every further
derivative, forward-mode tangents, vmap and torch.func work. Where a program is compiled: ops.py.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd import forward_ad as forward_mode

from xent.core.errors import StateError
from xent.torch import engine, plain
from xent.torch.call import Call, Rule
from xent.torch.kernels import Share

TENSORS = 5  # of a call: logits, target, weight, sample_weight, divisor


class Extra:
    """What a loss keeps beside its tensors: the gradient made in forward; how totals are shared; a factor."""

    __slots__ = ("factor", "grad", "share", "wanted")

    def __init__(self, *, wanted: bool = False, share: Share | None = None, factor: float = 1.0) -> None:
        """`wanted`: make the gradient in forward."""
        self.wanted, self.share, self.factor = wanted, share, factor
        self.grad: Tensor | None = None

    def take(self) -> Tensor | None:
        """The gradient, which is then the caller's alone: a second backward makes it anew."""
        grad, self.grad = self.grad, None
        return grad


def call_of(*args: Any) -> Call:  # noqa: ANN401  # tensors, a rule
    """The call whose parts were taken apart for autograd."""
    return Call(*args)


def looped(function: type[Function], info: Any, in_dims: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Tensor, int]:  # noqa: ANN401  # PyTorch's
    """vmap: one call after the other, each with the bits that it has alone."""
    found = [
        function.apply(*(arg if dim is None else arg.select(dim, i) for arg, dim in zip(args, in_dims, strict=True)))
        for i in range(info.batch_size)
    ]
    return torch.stack(found), 0


class Loss(Function):
    """The loss of a call; differentiable by logits and, where they are probabilities, targets."""

    @staticmethod
    def forward(*args: Any) -> Tensor:  # noqa: ANN401  # the tensors of a Call, its rule, an Extra
        """The loss."""
        call, extra = call_of(*args[: TENSORS + 1]), args[-1]
        loss, extra.grad = engine.loss(call, gradient=extra.wanted, share=extra.share)
        return loss

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG004  # PyTorch's
        """Keep the tensors that came, no copy."""
        ctx.save_for_backward(*inputs[:TENSORS])
        ctx.save_for_forward(*inputs[:TENSORS])
        ctx.rule, ctx.extra = inputs[TENSORS:]

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
        """By logits and probabilities."""
        by_logits = by_target = None
        upstream = upstream if ctx.extra.factor == 1.0 else upstream * ctx.extra.factor
        if ctx.extra.grad is not None and not ctx.needs_input_grad[1] and is_last(upstream):
            return engine.times(ctx.extra.take(), upstream), None, None, None, None, None, None
        tensors = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            by_logits = gradient_of(*tensors, ctx.rule, upstream, ctx.extra)
        if ctx.needs_input_grad[1]:
            call = call_of(*tensors, ctx.rule)
            by_target = plain.target_gradient(call, upstream).to(call.target.dtype)
        return by_logits, by_target, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, logits_t: Tensor | None, target_t: Tensor | None, *_: Any) -> Tensor:  # noqa: ANN401  # PyTorch's
        """The tangent: <gradient, tangent> of every row, added up as the losses are."""
        call = call_of(*ctx.saved_tensors, ctx.rule)
        found = torch.zeros(call.logits.shape[:-1], dtype=plain.work_dtype(call), device=call.logits.device)
        if logits_t is not None:
            found = found + inner(plain.gradient(call), logits_t)
        if target_t is not None:
            found = found + inner(plain.target_gradient(call), target_t)
        return found if call.rule.spec.reduction == "none" else found.sum()

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:  # noqa: ANN401  # PyTorch's
        """One after the other; the gradients made in forward would be mixed up, so none is."""
        args = (*args[:-1], Extra(share=args[-1].share, factor=args[-1].factor))
        return looped(Loss, info, in_dims, args)


class Gradient(Function):
    """The gradient of the loss by the logits, times upstream; differentiable by logits, probabilities and upstream."""

    @staticmethod
    def forward(*args: Any) -> Tensor:  # noqa: ANN401  # the tensors of a Call, its rule, upstream, an Extra
        """The gradient made in forward, or from the logits again."""
        return made(call_of(*args[: TENSORS + 1]), args[-2], args[-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401, ARG004  # PyTorch's
        """Keep the tensors that came."""
        tensors = (*inputs[:TENSORS], inputs[-2])
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.rule = inputs[TENSORS]

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
        """By logits, probabilities and upstream: plain formulas."""
        *tensors, upstream = ctx.saved_tensors
        call = call_of(*tensors, ctx.rule)
        by_logits = by_target = by_upstream = None
        if ctx.needs_input_grad[0]:
            by_logits = plain.curvature(call, direction, upstream).to(call.logits.dtype)
        if ctx.needs_input_grad[1]:
            by_target = plain.mixed(call, direction, upstream).to(call.target.dtype)
        if ctx.needs_input_grad[TENSORS + 1]:
            by_upstream = inner(plain.gradient(call), direction)
            by_upstream = by_upstream if call.rule.spec.reduction == "none" else by_upstream.sum()
        return by_logits, by_target, None, None, None, None, by_upstream, None

    @staticmethod
    def jvp(ctx: Any, logits_t: Tensor | None, target_t: Tensor | None, *others: Any) -> Tensor:  # noqa: ANN401  # PyTorch's
        """The tangent, by logits, probabilities and upstream."""
        *tensors, upstream = ctx.saved_tensors
        call, upstream_t = call_of(*tensors, ctx.rule), others[-2]
        found = torch.zeros_like(call.logits, dtype=plain.work_dtype(call))
        if logits_t is not None:
            found = found + plain.curvature(call, logits_t, upstream)
        if target_t is not None:
            found = found + plain.mixed_transposed(call, target_t, upstream)
        if upstream_t is not None:
            found = found + plain.gradient(call, upstream_t)
        return found.to(call.logits.dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[Tensor, int]:  # noqa: ANN401  # PyTorch's
        """One after the other."""
        return looped(Gradient, info, in_dims, (*args[:-1], Extra()))


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Σ_j a_j·b_j of every row, where a tangent of 0 takes nothing of what is infinite."""
    return (a * b.to(a.dtype)).sum(-1)


def made(call: Call, upstream: Tensor, extra: Extra) -> Tensor:
    """The gradient times upstream: the one made in forward, or from the logits again."""
    grad = extra.take()
    if torch._C._functorch.is_legacy_batchedtensor(upstream):  # noqa: SLF001  # autograd.grad(is_grads_batched=True)
        if grad is None:
            grad = engine.gradient(call, torch.ones(upstream.shape, dtype=upstream.dtype, device=upstream.device))
        above = upstream.unsqueeze(-1) if call.rule.spec.reduction == "none" else upstream
        return (grad * above).to(grad.dtype)
    if grad is None:
        return engine.gradient(call, upstream)
    return engine.times(grad, upstream)


def is_last(upstream: Tensor) -> bool:
    """Whether nobody can ask for a derivative of the gradient that is being made, nor for many at once."""
    return not (
        torch.is_grad_enabled() or forward_mode._current_level >= 0  # noqa: SLF001  # there is no public way to ask
        or torch._C._are_functorch_transforms_active()  # noqa: SLF001  # the same
        or torch._C._functorch.is_legacy_batchedtensor(upstream)  # noqa: SLF001  # autograd.grad(is_grads_batched=True)
    )  # fmt: skip


def gradient_of(*args: Any) -> Tensor:  # noqa: ANN401  # as Gradient.forward
    """`Gradient`; without its place in a graph where nobody can ask for one."""
    if torch.is_grad_enabled() or forward_mode._current_level >= 0 or torch._C._are_functorch_transforms_active():  # noqa: SLF001  # there is no public way to ask
        return Gradient.apply(*args)
    return made(call_of(*args[: TENSORS + 1]), args[-2], args[-1])


def learned(call: Call) -> bool:
    """Whether somebody may ask for a derivative by weights, or by a denominator: plain operations have it.

    Forward mode and torch.func do not say by what they differentiate: there every weight may be meant.
    """
    weights = [each for each in (call.weight, call.sample_weight, call.divisor) if each is not None]
    if call.soft and call.rule.divide_by == "weights":
        weights.append(call.target)
    hidden = forward_mode._current_level >= 0 or torch._C._are_functorch_transforms_active()  # noqa: SLF001  # there is no public way to ask
    return bool(weights) and (hidden or any(each.requires_grad for each in weights))


def apply(call: Call, *, share: Share | None = None, factor: float = 1.0) -> Tensor:
    """The loss of a call in autograd; `factor` multiplies the gradient alone. StateError: learned weights, shared."""
    if learned(call):
        if share is not None or factor != 1.0:
            raise StateError(
                "weights, or a denominator, that are differentiated cannot be taken over ranks.\n"
                "  Detach them, or leave group out and add the ranks' sums yourself."
            )
        return plain.loss(call)
    wanted = torch.is_grad_enabled() and call.logits.requires_grad and not torch._C._are_functorch_transforms_active()  # noqa: SLF001  # there is no public way to ask
    extra = Extra(wanted=wanted, share=share, factor=factor)
    return Loss.apply(*call, extra)


__all__ = ["Rule", "apply"]
