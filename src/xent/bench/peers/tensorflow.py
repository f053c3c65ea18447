"""TensorFlow: its softmax cross-entropy with a gradient tape, as a graph and compiled by XLA."""

from collections.abc import Callable
from typing import Any

from xent.bench.data import Batch
from xent.bench.peers.calls import Prepared, package
from xent.bench.task import SMOOTHING, Task

CALL = "tf.function of tf.nn.sparse_softmax_cross_entropy_with_logits and its tape, plain or by XLA: the faster"


def variables(threads: int) -> dict[str, str]:
    """As many threads as everybody, the CPU, and no remarks."""
    return {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }


def versions() -> dict[str, str]:
    """TensorFlow, from whichever of its packages."""
    return {"tensorflow": package("tensorflow").__version__}


def prepare(task: Task, batch: Batch, threads: int) -> Prepared:  # noqa: ARG001  # by the environment
    """The calls for a task; TensorFlow makes a new array."""
    tf = package("tensorflow")
    arrays = [batch.hidden, batch.weight] if task.hidden else [batch.logits]
    inputs, targets = [tf.constant(each) for each in arrays], tf.constant(batch.targets)

    def of_logits(logits: Any) -> Any:  # noqa: ANN401  # tensors
        if task.targets == "indices":
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
        else:
            q = targets
            if task.targets == "smoothing":
                low = SMOOTHING / task.classes
                q = tf.one_hot(targets, task.classes, 1 - SMOOTHING + low, low, dtype=logits.dtype)
            losses = tf.nn.softmax_cross_entropy_with_logits(labels=q, logits=logits)
        return tf.reduce_mean(losses)

    def step(*inputs: Any) -> Any:  # noqa: ANN401  # tensors
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            logits = tf.matmul(*inputs, transpose_b=True) if task.hidden else inputs[0]
            loss = of_logits(logits)
        if not task.gradient:
            return loss, ()
        upstream = None if task.scale == 1.0 else tf.cast(task.scale, loss.dtype)
        return loss, tape.gradient(loss, inputs, upstream)

    def way(*, xla: bool) -> Callable[[], Any]:
        function = tf.function(step, jit_compile=xla)

        def call() -> Any:  # noqa: ANN401  # tensors
            loss, grads = function(*inputs)
            loss.numpy()  # waits for it
            return loss, grads

        return call

    return Prepared({"graph": way(xla=False), "XLA": way(xla=True)}, _read)


def _read(result: Any) -> Any:  # noqa: ANN401  # loss and gradients
    loss, grads = result
    return loss.numpy(), tuple(grad.numpy() for grad in grads)
