"""`CrossEntropyLoss`: the loss as a module, PyTorch's arguments first."""

from typing import Any

import torch
from torch import Tensor

from xent.core.spec import Denominator
from xent.torch.functional import cross_entropy


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    """`xent.torch.cross_entropy` as a module: `torch.nn.CrossEntropyLoss` with the package's options.

    Args:
        weight, size_average, ignore_index, reduce, reduction, label_smoothing: as `torch.nn.CrossEntropyLoss`; weight
            is a buffer and moves with the module.
        denominator, axis, lse_square_scale, softcap, logit_scale, returns: as `xent.torch.cross_entropy`.

    Called with input and target; `sample_weight` and `denominator` may change from call to call.

    Example:
        >>> loss = CrossEntropyLoss(ignore_index=0, reduction="sum")
        >>> loss(torch.zeros(2, 4), torch.tensor([0, 3])).item()
        1.3862943649291992
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,  # noqa: FBT001  # PyTorch's
        ignore_index: int | None = -100,
        reduce: bool | None = None,  # noqa: FBT001  # PyTorch's
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        denominator: Denominator | float | Tensor | None = None,
        axis: int = 1,
        lse_square_scale: float = 0.0,
        softcap: float | None = None,
        logit_scale: float = 1.0,
        returns: tuple[str, ...] = (),
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.denominator, self.axis, self.lse_square_scale = denominator, axis, lse_square_scale
        self.softcap, self.logit_scale, self.returns = softcap, logit_scale, returns

    def forward(
        self,
        input: Tensor,  # noqa: A002  # PyTorch's name
        target: Tensor,
        *,
        sample_weight: Tensor | None = None,
        denominator: Denominator | float | Tensor | None = None,
    ) -> Any:  # noqa: ANN401  # a tensor, or a named tuple that begins with one
        """The loss of a batch; `denominator` here comes before the module's own."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            denominator=self.denominator if denominator is None else denominator,
            sample_weight=sample_weight,
            axis=self.axis,
            lse_square_scale=self.lse_square_scale,
            softcap=self.softcap,
            logit_scale=self.logit_scale,
            returns=self.returns,
        )

    def extra_repr(self) -> str:
        """What differs from the defaults."""
        plain = {"denominator": None, "axis": 1, "lse_square_scale": 0.0, "softcap": None, "logit_scale": 1.0}
        shown = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        shown |= {"label_smoothing": self.label_smoothing} if self.label_smoothing else {}
        shown |= {name: getattr(self, name) for name in plain if getattr(self, name) != plain[name]}
        shown |= {"returns": self.returns} if self.returns else {}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())
