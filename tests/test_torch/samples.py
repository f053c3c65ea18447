"""PyTorch's own samples of the loss, from torch.testing._internal: what it is tested on there."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

HALVES = (torch.float16, torch.bfloat16)
DTYPES = (torch.float64, torch.float32, *HALVES)


@dataclass(frozen=True)
class Sample:
    """One call of the loss."""

    input: torch.Tensor
    target: torch.Tensor
    options: dict[str, Any]

    def leaves(self) -> list[torch.Tensor]:
        """What it is differentiated by: the input, and the target where it is made of probabilities."""
        given = (self.input, self.target)
        return [x.detach().clone().requires_grad_() for x in given if x.is_floating_point()]

    def call(self, loss, *leaves, **changes):
        """The loss of the leaves."""
        target = leaves[1] if len(leaves) > 1 else self.target
        return loss(leaves[0], target, **self.options | changes)

    def to(self, dtype) -> "Sample":
        """In another floating dtype."""
        options = {k: v.to(dtype) if isinstance(v, torch.Tensor) else v for k, v in self.options.items()}
        target = self.target.to(dtype) if self.target.is_floating_point() else self.target
        return Sample(self.input.to(dtype), target, options)

    def __str__(self) -> str:
        kind = "probabilities" if self.target.is_floating_point() else "indices"
        options = {k: tuple(v.shape) if isinstance(v, torch.Tensor) else v for k, v in self.options.items()}
        return f"{tuple(self.input.shape)} {kind} {options}"


def of_function(dtype: torch.dtype) -> list[Sample]:
    """The samples of torch.nn.functional.cross_entropy."""
    torch.manual_seed(0)
    (op,) = (each for each in op_db if each.name == "nn.functional.cross_entropy")
    found = op.sample_inputs("cpu", dtype, requires_grad=False)
    return [Sample(each.input, each.args[0], dict(each.kwargs)) for each in found]


def of_module(dtype: torch.dtype) -> list[tuple[dict[str, Any], torch.Tensor, torch.Tensor]]:
    """Constructor's arguments, input and target of torch.nn.CrossEntropyLoss."""
    torch.manual_seed(0)
    (info,) = (each for each in module_db if each.module_cls is torch.nn.CrossEntropyLoss)
    found = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=False)
    return [(dict(each.constructor_input.kwargs), *each.forward_input.args) for each in found]


OURS = {  # options that PyTorch does not have, and combinations of those that it has
    "smoothing": {"label_smoothing": 0.1},
    "z-loss, cap and scale": {"lse_square_scale": 0.01, "softcap": 5.0, "logit_scale": 1.5},
    "sum": {"reduction": "sum", "label_smoothing": 0.3, "lse_square_scale": 0.1},
    "none": {"reduction": "none", "softcap": 4.0},
    "a number": {"denominator": 2.5, "weight": torch.tensor([0.5, 2.0, 1.0])},
    "items": {"denominator": "items", "ignore_index": 1},
    "batch": {"denominator": "batch", "ignore_index": 1},
    "rows weighted": {"sample_weight": torch.tensor([0.5, 0.0, 3.0, 1.0])},
    "all": {
        "weight": torch.tensor([0.5, 2.0, 1.0]),
        "sample_weight": torch.tensor([0.5, 1.0, 3.0, 1.0]),
        "label_smoothing": 0.2,
        "lse_square_scale": 0.01,
        "softcap": 5.0,
        "denominator": "weights",
    },
}


def of_ours(dtype: torch.dtype = torch.float64) -> list[Sample]:
    """The same for the options that are ours."""
    made = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=made) * 3
    q = torch.rand(4, 3, dtype=torch.float64, generator=made)
    found = []
    for options in OURS.values():
        kinds = [torch.tensor([0, 2, 1, 0])]
        if "ignore_index" not in options:
            kinds.append(q)
        found += [Sample(logits, target, options).to(dtype) for target in kinds]
    return found
