"""The loss as operations of PyTorch, for programs that are compiled, exported or traced.

    xent::cross_entropy             the loss
    xent::cross_entropy_gradient    its gradient by the input, times upstream
    xent::cross_entropy_fields      what `returns` asks for

They take the options as plain numbers, hold their derivatives, and compute what the functions of autograd.py compute,
to the bit. A label that is no class makes its row NaN: compiled code does not raise.
"""

from typing import Any

import torch
from torch import Tensor, library
from torch.autograd import forward_ad as forward_mode

from xent import _call
from xent.core.errors import StateError
from xent.core.spec import RETURNS
from xent.torch import engine, fields, plain
from xent.torch.autograd import inner
from xent.torch.call import PYTORCH, Call, class_axis, receive

SCHEMA = (
    "Tensor input, Tensor target, Tensor? weight, Tensor? sample_weight, Tensor? divisor, str divide_by, float number, "
    "int? ignore_index, float label_smoothing, str reduction, int axis, float lse_square_scale, float? softcap, "
    "float logit_scale"
)
TENSORS = 5
NUMBER = "number"  # divide_by, where `number` is the denominator
LOSS, GRADIENT, FIELDS = "xent::cross_entropy", "xent::cross_entropy_gradient", "xent::cross_entropy_fields"


def call_of(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    divisor: Tensor | None,
    divide_by: str,
    number: float,
    ignore_index: int | None,
    label_smoothing: float,
    reduction: str,
    axis: int,
    *options: Any,  # noqa: ANN401  # numbers
) -> Call:
    """The checked call."""
    denominator: Any = {PYTORCH: None, NUMBER: number}.get(divide_by, divide_by)
    spec = _call.spec_of(
        ignore_index if ignore_index is None else int(ignore_index),
        float(label_smoothing), reduction, int(axis), *(each if each is None else float(each) for each in options),
    )  # fmt: skip
    denominator = denominator if divisor is None else divisor
    return receive(input, target, weight, sample_weight, spec, denominator, strict=False)


def traced(*args: Any) -> Call:  # noqa: ANN401  # as call_of
    """The same where numbers may be symbols: any denominator does."""
    return call_of(*args[:6], 1.0, *args[7:])


def back(grad: Tensor, args: Any) -> Tensor:  # noqa: ANN401  # as call_of
    """A gradient whose class axis is the last, in the axes of the input."""
    axis = class_axis(args[10], args[0])
    return grad if axis == grad.ndim - 1 else grad.movedim(-1, axis)


def check_mode() -> None:
    """StateError under forward-mode differentiation: an operation has no tangent, and would be taken for a constant."""
    if forward_mode._current_level >= 0:  # noqa: SLF001  # there is no public way to ask
        raise StateError(
            "forward-mode differentiation (jvp) does not go through a compiled or exported loss.\n"
            "  Call xent.torch.cross_entropy outside torch.compile, or torch.func.jvp around an eager function."
        )


@library.custom_op(LOSS, mutates_args=(), schema=f"({SCHEMA}) -> Tensor")
def loss(*args: Any) -> Tensor:  # noqa: ANN401  # SCHEMA
    """The loss."""
    check_mode()
    return engine.loss(call_of(*args))[0]


@library.custom_op(GRADIENT, mutates_args=(), schema=f"({SCHEMA}, Tensor upstream) -> Tensor")
def gradient(*args: Any) -> Tensor:  # noqa: ANN401  # SCHEMA
    """The gradient by the input, times upstream."""
    check_mode()
    return back(engine.gradient(call_of(*args[:-1]), args[-1]), args)


@library.custom_op(FIELDS, mutates_args=(), schema=f"({SCHEMA}) -> ({', '.join(['Tensor'] * len(RETURNS))})")
def further(*args: Any) -> tuple[Tensor, ...]:  # noqa: ANN401  # SCHEMA
    """What `returns` asks for, all of it."""
    check_mode()
    return tuple(fields.found(call_of(*args)))


def shape_of(call: Call) -> torch.Size:
    """Of the loss."""
    return call.logits.shape[:-1] if call.rule.spec.reduction == "none" else torch.Size(())


@loss.register_fake
def _(*args: Any) -> Tensor:  # noqa: ANN401  # SCHEMA
    call = traced(*args)
    return call.logits.new_empty(shape_of(call), dtype=plain.work_dtype(call))


@gradient.register_fake
def _(*args: Any) -> Tensor:  # noqa: ANN401  # SCHEMA
    return back(torch.empty_like(traced(*args[:-1]).logits), args)


@further.register_fake
def _(*args: Any) -> tuple[Tensor, ...]:  # noqa: ANN401  # SCHEMA
    call = traced(*args)
    rows, whole = call.logits.shape[:-1], shape_of(call)
    wide = torch.float32 if call.logits.device.type == "mps" else torch.float64
    kind = plain.work_dtype(call)
    found = fields.Found(
        lse=(rows, kind), entropy=(rows, kind), log_prob=(rows, kind), z_loss=(whole, kind), accuracy=(rows, kind),
        predicted=(rows, torch.int64), sum=((), wide), denominator=((), wide),
    )  # fmt: skip
    return tuple(call.logits.new_empty(shape, dtype=dtype) for shape, dtype in found)


def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401, ARG001  # PyTorch's
    """The tensors that came, no copy; numbers beside them."""
    tensors = [*inputs[:TENSORS], *inputs[len(SCHEMA.split(",")) :]]
    ctx.save_for_backward(*tensors)
    ctx.numbers = inputs[TENSORS : len(SCHEMA.split(","))]
    ctx.set_materialize_grads(False)  # PyTorch's


def loss_backward(ctx: Any, upstream: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
    """By input and probabilities."""
    args = (*ctx.saved_tensors, *ctx.numbers)
    by_input = by_target = None
    if upstream is not None and ctx.needs_input_grad[0]:
        by_input = gradient(*args, upstream)
    if upstream is not None and ctx.needs_input_grad[1]:
        by_target = back(plain.target_gradient(call_of(*args), upstream), args).to(args[1].dtype)
    return by_input, by_target, *[None] * (len(args) - 2)


def gradient_backward(ctx: Any, direction: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
    """By input, probabilities and upstream: plain formulas."""
    tensors, upstream = ctx.saved_tensors[:TENSORS], ctx.saved_tensors[-1]
    args = (*tensors, *ctx.numbers)
    call = call_of(*args)
    by_input = by_target = by_upstream = None
    if direction is not None:
        axis = class_axis(args[10], args[0])
        direction = direction if axis == direction.ndim - 1 else direction.movedim(axis, -1)
        if ctx.needs_input_grad[0]:
            by_input = back(plain.curvature(call, direction, upstream), args).to(args[0].dtype)
        if ctx.needs_input_grad[1]:
            by_target = back(plain.mixed(call, direction, upstream), args).to(args[1].dtype)
        if ctx.needs_input_grad[-1]:
            by_upstream = inner(plain.gradient(call), direction)
            by_upstream = by_upstream if call.rule.spec.reduction == "none" else by_upstream.sum()
    return by_input, by_target, *[None] * (len(args) - 2), by_upstream


def fields_backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:  # noqa: ANN401  # PyTorch's
    """By input and probabilities; of lse, entropy and log_prob."""
    args = (*ctx.saved_tensors, *ctx.numbers)
    call = call_of(*args)
    wanted = upstream[: fields.DIFFERENTIABLE]
    by_input = by_target = None
    if ctx.needs_input_grad[0]:
        by_input = back(fields.by_logits(call, *wanted), args)
    if ctx.needs_input_grad[1] and wanted[2] is not None:
        by_target = back(fields.by_target(call, wanted[2]), args)
    return by_input, by_target, *[None] * (len(args) - 2)


loss.register_autograd(loss_backward, setup_context=keep)
gradient.register_autograd(gradient_backward, setup_context=keep)
further.register_autograd(fields_backward, setup_context=keep)
