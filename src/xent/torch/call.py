"""A call of the loss on tensors, checked: what PyTorch raises, in its types; ours wherever it stays silent."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from xent.core import errors as core_errors
from xent.core.spec import DENOMINATOR_CHOICES, PYTORCH_IGNORE, Denominator, Reduction, Spec, check_denominator
from xent.torch import errors

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
PYTORCH = "pytorch"  # divide_by where denominator is None


@dataclass(frozen=True, slots=True)
class Rule:
    """What is to be computed: every option that is not a tensor. Hashable."""

    spec: Spec
    divide_by: Denominator | float | str  # PYTORCH; "weights", "items", "batch"; a number; for a tensor, 1.0
    strict: bool = True  # a label that is no class raises; else it makes its row NaN

    def with_returns(self, returns: tuple[str, ...]) -> "Rule":
        """The same with further results."""
        return replace(self, spec=replace(self.spec, returns=returns))

    def with_reduction(self, reduction: Reduction) -> "Rule":
        """The same with another reduction."""
        return replace(self, spec=replace(self.spec, reduction=reduction))


class Call(NamedTuple):
    """The tensors of a call, the class axis last, and the rule."""

    logits: Tensor  # (*shape, V), a view of what came
    target: Tensor  # (*shape,) integers, or (*shape, V) floats
    weight: Tensor | None  # (V,)
    sample_weight: Tensor | None  # (*shape,)
    divisor: Tensor | None  # (): a denominator that came as a tensor
    rule: Rule

    @property
    def soft(self) -> bool:
        """Whether the targets are probability rows."""
        return self.target.is_floating_point()

    def alone(self) -> "Call":
        """The same rows, neither weighted nor divided."""
        return self._replace(weight=None, sample_weight=None, divisor=None, rule=self.rule.with_reduction("sum"))


def receive(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    weight: Tensor | None,
    sample_weight: Tensor | None,
    spec: Spec,
    denominator: Denominator | float | Tensor | None,
    *,
    strict: bool = True,
) -> Call:
    """Check shapes, dtypes and devices; the labels themselves are checked where they are read."""
    check_tensors(input, target, weight, sample_weight)
    divide_by, divisor = check_divisor(denominator, spec.reduction)
    axis = class_axis(spec.axis, input)
    classes, shape = input.shape[axis], (*input.shape[:axis], *input.shape[axis + 1 :])
    if target.shape == input.shape:
        check_probabilities(target, spec)
        q = target if axis == input.ndim - 1 else target.movedim(axis, -1)
    else:
        if target.shape != shape:
            if not (shape == () and target.shape == (1,)):  # one row of which the label has an axis, as PyTorch
                raise errors.target_shape(tuple(target.shape), tuple(input.shape), shape, axis)
            target = target.reshape(())
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise errors.target_kind(target.dtype, hint=target.is_floating_point())
        q = target
    if weight is not None and weight.shape != (classes,):
        raise errors.wrong_shape("weight", tuple(weight.shape), (classes,), "one weight a class")
    if sample_weight is not None and sample_weight.shape != shape:
        raise errors.wrong_shape("sample_weight", tuple(sample_weight.shape), shape, "one weight a row")
    x = input if axis == input.ndim - 1 else input.movedim(axis, -1)
    return Call(x, q, weight, sample_weight, divisor, Rule(spec, divide_by, strict))


def check_tensors(input: Tensor, target: Tensor, weight: Tensor | None, sample_weight: Tensor | None) -> None:  # noqa: A002  # PyTorch's name
    """Whether everything is a tensor, of a dtype that is taken, on one device."""
    for name, came in (("input", input), ("target", target), ("weight", weight), ("sample_weight", sample_weight)):
        if not isinstance(came, Tensor):
            if came is None and name in {"weight", "sample_weight"}:
                continue
            raise core_errors.bad_kind(name, came, "a tensor")
        if came.device != input.device and came.ndim:
            raise errors.other_device(name, came.device, input.device)
    if input.dtype not in FLOATS:
        raise errors.input_kind(input.dtype)
    for name, weights in (("weight", weight), ("sample_weight", sample_weight)):
        if weights is not None and (weights.is_complex() or weights.dtype == torch.bool):
            raise errors.weight_kind(name, weights.dtype)


def check_divisor(
    denominator: Denominator | float | Tensor | None, reduction: str
) -> tuple[Denominator | float | str, Tensor | None]:
    """What a mean is divided by; a tensor apart."""
    if denominator is None:
        return PYTORCH, None
    if not isinstance(denominator, Tensor):
        return check_denominator(denominator, reduction), None
    if denominator.ndim or denominator.is_complex() or denominator.dtype == torch.bool:
        raise core_errors.bad_kind("denominator", denominator, f"{DENOMINATOR_CHOICES}, or a tensor of one")
    check_denominator(1, reduction)
    return 1.0, denominator


def class_axis(axis: int, input: Tensor) -> int:  # noqa: A002  # PyTorch's name
    """The class axis as a number >= 0; of a single row the only one."""
    if input.ndim == 0:
        raise core_errors.no_axis(tuple(input.shape))
    if input.ndim == 1 and axis == 1:
        return 0
    if not -input.ndim <= axis < input.ndim:
        allowed = f"in [{-input.ndim}, {input.ndim - 1}] for an input of shape {tuple(input.shape)}"
        raise core_errors.bad_option("axis", axis, allowed)
    return axis % input.ndim


def check_probabilities(target: Tensor, spec: Spec) -> None:
    """Whether targets of the input's shape are probabilities."""
    if not target.is_floating_point():
        raise errors.one_hot(target.dtype)
    if target.dtype not in FLOATS:
        raise errors.target_kind(target.dtype, hint=False)
    if spec.ignore_index not in (None, PYTORCH_IGNORE):
        raise errors.ignored_probabilities(spec.ignore_index)
