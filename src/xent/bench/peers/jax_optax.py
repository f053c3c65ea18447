"""JAX: optax's loss, jitted with its gradient."""

from typing import Any

import numpy as np

from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, package, versions_of
from xent.bench.task import SMOOTHING, Task

CALL = "jax.jit(jax.value_and_grad(mean of optax.softmax_cross_entropy_with_integer_labels))"


def variables(threads: int) -> dict[str, str]:  # noqa: ARG001  # it takes the CPUs that the process may use
    """The CPU, and float64 where it is asked for."""
    return {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}


def versions() -> dict[str, str]:
    """JAX and optax."""
    return versions_of("jax", "optax")


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # as `variables`
    """The call for a task, compiled for its very shape; JAX makes a new array."""
    jax = package("jax")
    loss_of = _function(task)
    arrays = [batch.hidden, batch.weight] if task.hidden else [batch.logits]
    inputs = [jax.numpy.asarray(each) for each in arrays]
    soft = task.targets == "rows"
    targets = jax.numpy.asarray(batch.targets if soft else batch.targets.astype(np.int32))  # JAX's own integers
    if not task.gradient:
        loss_only = jax.jit(loss_of)
        return Prepared(
            {"": lambda: jax.block_until_ready(loss_only(*inputs, targets))}, lambda loss: (np.asarray(loss), ())
        )
    places = tuple(range(len(inputs)))

    def both(*arguments: Any) -> Any:  # noqa: ANN401  # arrays
        if task.scale == 1.0:
            return jax.value_and_grad(loss_of, argnums=places)(*arguments)
        loss, back = jax.vjp(lambda *first: loss_of(*first, arguments[-1]), *arguments[:-1])
        return loss, back(jax.numpy.full_like(loss, task.scale))

    jitted = jax.jit(both)
    return Prepared({"": lambda: jax.block_until_ready(jitted(*inputs, targets))}, _read)


def _function(task: Task) -> Any:  # noqa: ANN401  # of arrays
    optax, one_hot = package("optax"), package("jax").nn.one_hot

    def of_logits(logits: Any, targets: Any) -> Any:  # noqa: ANN401  # arrays
        if task.targets == "indices":
            return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
        if task.targets == "smoothing":
            targets = optax.smooth_labels(one_hot(targets, task.classes, dtype=logits.dtype), SMOOTHING)
        return optax.softmax_cross_entropy(logits, targets).mean()

    if task.hidden:
        return lambda hidden, weight, targets: of_logits(hidden @ weight.T, targets)
    return of_logits


def _read(result: Any) -> Any:  # noqa: ANN401  # loss and gradients
    loss, grads = result
    return np.asarray(loss), tuple(map(np.asarray, grads))
