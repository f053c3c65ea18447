"""The rows of one process in a loss over several calls or ranks: counted, checked; their sum with its graph."""

from dataclasses import dataclass, replace

from torch import Tensor

from xent.core import errors
from xent.core.batch import Total
from xent.core.spec import Spec
from xent.torch.call import Call, receive
from xent.torch.count import count_of
from xent.torch.distributed import Count
from xent.torch.functional import loss_of


@dataclass(frozen=True)
class Options:
    """What all parts of the loss have in common."""

    weight: Tensor | None
    spec: Spec

    def __str__(self) -> str:
        """The options whose value is not the default, as text: ranks compare it."""
        names = ("ignore_index", "label_smoothing", "lse_square_scale", "softcap", "logit_scale")
        shown = [f"{name}={getattr(self.spec, name)!r}" for name in names]
        return ", ".join([*shown, "weight" if self.weight is not None else "no weight"])


def prepared(
    input: Tensor,  # noqa: A002  # PyTorch's name
    target: Tensor,
    sample_weight: Tensor | None,
    options: Options,
) -> tuple[Call, Count]:
    """The call, and what its rows count for; labels and weights are checked."""
    for name, weights in (("weight", options.weight), ("sample_weight", sample_weight)):
        if isinstance(weights, Tensor) and weights.requires_grad:
            raise errors.OptionError(
                f"{name} requires a gradient, which a loss over several parts does not give: pass {name}.detach()."
            )
    call = receive(input, target, options.weight, sample_weight, options.spec, None)
    return call, count_of(call)


def divided(call: Call, number: float, factor: float = 1.0) -> tuple[Tensor, Total]:
    """The sum of weighted losses over `number`, with its graph, the gradient times `factor`; and the exact total."""
    totals: list[Total] = []

    def keep(total: Total) -> Total:
        totals.append(total)
        return total

    loss = loss_of(call._replace(rule=replace(call.rule, divide_by=number)), share=keep, factor=factor)
    return loss, totals[0] if totals else Total.zero()  # logits of no class: all rows are ignored
