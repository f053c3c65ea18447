"""PyTorch as it is: F.cross_entropy and autograd."""

from typing import Any

import numpy as np

from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, package, versions_of
from xent.bench.task import SMOOTHING, Task

CALL = "loss = F.cross_entropy(logits, targets); torch.autograd.grad(loss, logits)"


def variables(threads: int) -> dict[str, str]:
    """As many threads as everybody; outputs in huge pages where the system has them, as NumPy does by itself."""
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "THP_MEM_ALLOC_ENABLE": "1"}


def versions() -> dict[str, str]:
    """PyTorch."""
    return versions_of("torch")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:
    """The call for a task; PyTorch makes a new array."""
    torch = package("torch")
    torch.set_num_threads(threads)
    inputs, targets = tensors(task, batch)
    loss_of = function(task)
    if not task.gradient:

        def forward() -> Any:  # noqa: ANN401  # a tensor
            with torch.no_grad():
                return loss_of(*inputs, targets)

        return Prepared({"": forward}, lambda loss: (array(loss), ()))
    for each in inputs:
        each.requires_grad_()
    if task.hidden:
        return Prepared(_linear_ways(task, inputs, targets), read)

    def call() -> Any:  # noqa: ANN401  # tensors
        loss = loss_of(*inputs, targets)
        return loss, torch.autograd.grad(loss, inputs, upstream(task, loss))

    return Prepared({"": call}, read)


def _linear_ways(task: Task, inputs: list[Any], targets: Any) -> dict[str, Any]:  # noqa: ANN401  # a tensor
    """F.linear and the loss; and the function that does both without all logits at once, where there is one."""
    torch = package("torch")
    functional = torch.nn.functional
    loss_of = function(task)

    def two() -> Any:  # noqa: ANN401  # tensors
        loss = loss_of(*inputs, targets)
        return loss, torch.autograd.grad(loss, inputs)

    ways = {"F.linear, F.cross_entropy": two}
    if hasattr(functional, "linear_cross_entropy") and task.targets == "indices":

        def one() -> Any:  # noqa: ANN401  # tensors
            loss = functional.linear_cross_entropy(inputs[0], inputs[1], targets)
            return loss, torch.autograd.grad(loss, inputs)

        ways["F.linear_cross_entropy"] = one
    return ways


def tensors(task: Task, batch: Batch) -> tuple[list[Any], Any]:
    """Inputs and targets in memory that PyTorch has asked for itself."""
    arrays = [batch.hidden, batch.weight] if task.hidden else [batch.logits]
    return [_tensor(each) for each in arrays], _tensor(batch.targets)


def function(task: Task) -> Any:  # noqa: ANN401  # of tensors
    """The mean loss of inputs and targets."""
    functional = package("torch").nn.functional
    smoothing = SMOOTHING if task.targets == "smoothing" else 0.0
    if task.hidden:
        return lambda hidden, weight, targets: functional.cross_entropy(
            functional.linear(hidden, weight), targets, label_smoothing=smoothing
        )
    return lambda logits, targets: functional.cross_entropy(logits, targets, label_smoothing=smoothing)


def upstream(task: Task, loss: Any) -> Any:  # noqa: ANN401  # tensors
    """What the gradient is multiplied by; None for 1."""
    return None if task.scale == 1.0 else package("torch").full_like(loss, task.scale)


def read(result: Any) -> Any:  # noqa: ANN401  # loss and gradients
    """Loss and gradients as arrays."""
    loss, grads = result
    return array(loss), tuple(map(array, grads))


def array(tensor: Any) -> Any:  # noqa: ANN401  # of either kind
    """A tensor as NumPy holds it; bfloat16 as ml_dtypes."""
    torch = package("torch")
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.uint16).numpy().view(package("ml_dtypes").bfloat16)
    return tensor.numpy()


def _tensor(values: Any) -> Any:  # noqa: ANN401  # array to tensor
    torch = package("torch")
    if values.dtype.name == "bfloat16":
        return torch.from_numpy(values.view(np.uint16)).view(torch.bfloat16).clone()
    return torch.from_numpy(values).clone()
