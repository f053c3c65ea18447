"""What `returns` asks for beside the loss; lse, entropy and log_prob in autograd."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from xent.core.spec import RETURNS
from xent.torch import engine, kernels, plain
from xent.torch.autograd import TENSORS, call_of
from xent.torch.call import Call

DIFFERENTIABLE = 3  # the first ones


class Found(NamedTuple):
    """Every further result of a call, in the order in which they are computed."""

    lse: Tensor
    entropy: Tensor
    log_prob: Tensor
    z_loss: Tensor
    accuracy: Tensor
    predicted: Tensor
    sum: Tensor
    denominator: Tensor


def found(call: Call) -> Found:
    """All of them; no derivative is recorded."""
    if call.logits.device.type in engine.KERNEL_DEVICES and call.logits.shape[-1]:
        done = by_kernels(call)
        if done is not None:
            return done
    return by_formulas(call)


def by_kernels(call: Call) -> Found | None:
    """From the package's kernels; None where PyTorch's arithmetic is wanted."""
    done = kernels.long_way(call._replace(rule=call.rule.with_returns(RETURNS)))
    if done is None:
        return None
    with np.errstate(over="ignore"):  # the true value may lie beyond float32
        return Found(*(kernels.tensor_of(getattr(done.run, name)()) for name in Found._fields))


def by_formulas(call: Call) -> Found:
    """From plain operations."""
    spec, weights = call.rule.spec, plain.weights_of(call)
    state = plain.state_of(call, weights)
    bad = state.broken.squeeze(-1) if weights.bad is None else state.broken.squeeze(-1) | weights.bad
    counted = plain.masked(torch.ones_like(bad, dtype=state.y.dtype), call, weights) != 0.0

    def row(values: Tensor) -> Tensor:
        return torch.where(counted, torch.where(bad, torch.nan, values), 0.0)

    q = target_of(call, weights)
    gap = torch.where((q == 0.0) & state.gap.isinf(), 0.0, state.gap)
    nll = (q * gap).sum(-1) + q.sum(-1) * state.rest.log1p().squeeze(-1)
    p = state.p
    spread = torch.where(p == 0.0, 0.0, p * state.gap).sum(-1) + state.rest.log1p().squeeze(-1)
    lse = row(state.lse.squeeze(-1))
    z = spec.lse_square_scale * lse * lse
    z = z if call.sample_weight is None else z * call.sample_weight.to(z.dtype)
    predicted = torch.where(counted & ~bad, state.k.squeeze(-1), -1)
    label = q.argmax(-1) if weights.label is None else weights.label
    rows = plain.losses(call)
    wide = torch.float32 if rows.device.type == "mps" else torch.float64
    divisor = plain.denominator(call)
    if divisor is None:  # nothing was divided
        rule = replace(call.rule.with_reduction("mean"), divide_by="weights")
        divisor = plain.denominator(call._replace(rule=rule))
    shared = torch.ones((), dtype=wide, device=rows.device) if divisor is None else divisor.to(wide)
    return Found(
        lse, row(spread), row(-nll), engine.reduced(call, z), row((predicted == label).to(z.dtype)),
        predicted, rows.sum(dtype=wide), shared,
    )  # fmt: skip


def target_of(call: Call, weights: plain.Weights) -> Tensor:
    """(*shape, V) the target as probabilities, neither smoothed nor weighted."""
    if weights.label is None:
        return call.target.to(plain.work_dtype(call))
    zeros = torch.zeros_like(call.logits, dtype=plain.work_dtype(call))
    return zeros.scatter(-1, weights.label.unsqueeze(-1), 1.0)


def by_logits(call: Call, lse: Tensor | None, entropy: Tensor | None, log_prob: Tensor | None) -> Tensor:
    """Σ of upstream × derivative of the three by the logits."""
    weights = plain.weights_of(call)
    state = plain.state_of(call, weights)
    p, g = state.p, torch.zeros_like(state.y)
    if lse is not None:
        g = g + lse.unsqueeze(-1) * p
    if entropy is not None:
        spread = torch.where(p == 0.0, 0.0, p * state.nll)
        g = g + entropy.unsqueeze(-1) * (spread - p * spread.sum(-1, keepdim=True))
    if log_prob is not None:
        q = target_of(call, weights)
        g = g + log_prob.unsqueeze(-1) * (q - q.sum(-1, keepdim=True) * p)
    g = g if state.slope is None else g * state.slope
    return unweighted(g, call, weights, state).to(call.logits.dtype)


def unweighted(g: Tensor, call: Call, weights: plain.Weights, state: plain.State) -> Tensor:
    """A row's derivative; NaN in rows without a loss, 0 in those that do not count."""
    g = plain.finished(g, call.alone(), weights, state, None)
    return g if call.sample_weight is None else torch.where(call.sample_weight.unsqueeze(-1) == 0, 0.0, g)


def by_target(call: Call, log_prob: Tensor) -> Tensor:
    """Upstream × derivative of log_prob by the probabilities."""
    weights = plain.weights_of(call)
    state = plain.state_of(call, weights)
    g = -log_prob.unsqueeze(-1) * state.nll
    return unweighted(g, call, weights, state).to(call.target.dtype)


class Fields(Function):
    """All of `Found`; the first three differentiable by logits, log_prob by probabilities too."""

    @staticmethod
    def forward(*args: Any) -> tuple[Tensor, ...]:  # noqa: ANN401  # the tensors of a Call, its rule
        """All of them."""
        return tuple(found(call_of(*args)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401  # PyTorch's
        """Keep the tensors that came, no copy."""
        ctx.save_for_backward(*inputs[:TENSORS])
        ctx.save_for_forward(*inputs[:TENSORS])
        ctx.rule = inputs[TENSORS]
        ctx.mark_non_differentiable(*output[DIFFERENTIABLE:])
        ctx.set_materialize_grads(False)  # PyTorch's

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
        """By logits and probabilities: plain formulas, so that they have derivatives themselves."""
        call = call_of(*ctx.saved_tensors, ctx.rule)
        logits = target = None
        if ctx.needs_input_grad[0]:
            logits = by_logits(call, *upstream[:DIFFERENTIABLE])
        if ctx.needs_input_grad[1] and upstream[2] is not None:
            target = by_target(call, upstream[2])
        return logits, target, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, logits_t: Tensor | None, target_t: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
        """The tangents: each result's derivative times the tangent, row by row."""
        call = call_of(*ctx.saved_tensors, ctx.rule)
        ones = torch.ones(call.logits.shape[:-1], dtype=plain.work_dtype(call), device=call.logits.device)
        tangents = [torch.zeros_like(ones) for _ in range(DIFFERENTIABLE)]
        if logits_t is not None:
            for at in range(DIFFERENTIABLE):
                one = [ones if k == at else None for k in range(DIFFERENTIABLE)]
                tangents[at] = tangents[at] + (by_logits(call, *one) * logits_t).sum(-1)
        if target_t is not None:
            tangents[2] = tangents[2] + (by_target(call, ones) * target_t).sum(-1)
        return (*tangents, *[None] * (len(Found._fields) - DIFFERENTIABLE))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:  # noqa: ANN401  # PyTorch's
        """One after the other."""
        results = [
            Fields.apply(*(a if dim is None else a.select(dim, i) for a, dim in zip(args, in_dims, strict=True)))
            for i in range(info.batch_size)
        ]
        return tuple(map(torch.stack, zip(*results, strict=True))), (0,) * len(Found._fields)
