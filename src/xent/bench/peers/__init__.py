"""Who takes part: one file a peer, each with the call that its users write.

A peer's module has
    CALL                            that call, as text for the report
    variables(threads)              environment variables its process starts with
    prepare(task, batch, threads)   a `Prepared`; raises `Refused` for what the peer does not offer
    versions()                      of the packages that do the work
"""

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Peer:
    """One who takes part. `package`: what has to be installed; `write`: a place for the gradient other than asked."""

    name: str
    label: str
    module: str
    package: str | None = None
    write: str | None = None

    def missing(self) -> str | None:
        """Why it cannot take part; None if its package is there."""
        if self.package is None or find_spec(self.package) is not None:
            return None
        return f"{self.package} is not installed"


OURS = "xent"
COPIES = ("copy-1", "copy-n")
"""The reference: NumPy's copy of the logits into an array that was written before, by one thread and by all."""
PRODUCTS = "products"
"""The reference of a linear task: its three bare matrix products."""

PEERS = (
    Peer(OURS, "xent", "xent.bench.peers.ours"),
    Peer("xent-new", "xent, new array", "xent.bench.peers.ours", write="new"),
    Peer("numpy", "NumPy textbook", "xent.bench.peers.textbook"),
    Peer("scipy", "SciPy log_softmax", "xent.bench.peers.scipy", "scipy"),
    Peer("sklearn", "scikit-learn", "xent.bench.peers.sklearn", "sklearn"),
    Peer("torch", "torch eager", "xent.bench.peers.torch_eager", "torch"),
    Peer("compile", "torch.compile", "xent.bench.peers.torch_compile", "torch"),
    Peer("jax", "jax + optax", "xent.bench.peers.jax_optax", "optax"),
    Peer("tensorflow", "TensorFlow", "xent.bench.peers.tensorflow", "tensorflow"),
)
REFERENCES = (
    Peer(COPIES[0], "copy, 1 thread", "xent.bench.peers.copying"),
    Peer(COPIES[1], "copy, all threads", "xent.bench.peers.copying_by_all"),
    Peer(PRODUCTS, "matrix products", "xent.bench.peers.products"),
)
