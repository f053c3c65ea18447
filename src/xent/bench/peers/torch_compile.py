"""PyTorch compiled: torch.compile of the loss with autograd around it, and of loss and gradient as one graph."""

from typing import Any

from xent.bench.data import Batch
from xent.bench.peers import torch_eager
from xent.bench.peers.calls import Prepared, package
from xent.bench.peers.torch_eager import array, function, read, tensors, upstream, versions
from xent.bench.task import Task

__all__ = ["CALL", "prepare", "variables", "versions"]

CALL = "torch.compile(F.cross_entropy) with autograd, or of torch.func.grad_and_value: the faster"


def variables(threads: int) -> dict[str, str]:
    """As eager, and a compiler that leaves no processes behind."""
    return {**torch_eager.variables(threads), "TORCHINDUCTOR_COMPILE_THREADS": "1"}


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:
    """The calls for a task, compiled for its very shape."""
    torch = package("torch")
    torch.set_num_threads(threads)
    torch._dynamo.reset()  # noqa: SLF001  # its public name, torch.compiler.reset, came later
    inputs, targets = tensors(task, batch)
    loss_of = function(task)
    forward = torch.compile(loss_of, dynamic=False)
    if not task.gradient:

        def only() -> Any:  # noqa: ANN401  # a tensor
            with torch.no_grad():
                return forward(*inputs, targets)

        return Prepared({"": only}, lambda loss: (array(loss), ()))
    leaves = [each.clone().requires_grad_() for each in inputs]

    def by_autograd() -> Any:  # noqa: ANN401  # tensors
        loss = forward(*leaves, targets)
        return loss, torch.autograd.grad(loss, leaves, upstream(task, loss))

    ways = {"autograd": by_autograd}
    if task.scale == 1.0:
        places = tuple(range(len(inputs)))
        both = torch.compile(torch.func.grad_and_value(loss_of, argnums=places), dynamic=False)

        def as_one_graph() -> Any:  # noqa: ANN401  # tensors
            grads, loss = both(*inputs, targets)
            return loss, grads

        ways["one graph"] = as_one_graph
    return Prepared(ways, read)
