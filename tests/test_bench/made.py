"""Records without a measurement, for what is shown and compared; and a run with peers of our own."""

from dataclasses import replace
from pathlib import Path

from xent.bench.peers import PEERS, Peer
from xent.bench.record import Measured, Part, Record, Result
from xent.bench.rounds import Plan, run
from xent.bench.task import Task

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {
    "processor": "A processor",
    "architecture": "x86_64",
    "cores": 2,
    "threads": 2,
    "caches": {"L1": "32K", "L2": "1024K"},
    "vectors": ["avx2"],
    "memory_gib": 8.0,
    "system": "Linux 6",
    "libc": None,
    "huge_pages": "madvise",
    "governor": None,
    "virtual": True,
    "python": "CPython 3.11.7",
}
GOOD, BAD = Part(0.4, 0.5, 0.5), Part(1.0, float("inf"), 2e7)
SLOW = Peer("slow", "a slow peer", "tests.test_bench.peers.slow_peer")
WRONG = Peer("wrong", "a wrong peer", "tests.test_bench.peers.wrong_peer")
ODD = Peer("odd", "an odd peer", "tests.test_bench.peers.odd_peer")
ABSENT = Peer("absent", "nobody", "tests.test_bench.peers.absent", "no_such_package")
OURS = PEERS[0]


def result(peer: str, *seconds: float, **more) -> Result:
    return Result(peer, tuple(seconds), ordinary=GOOD, confident=GOOD, extra=4096, **more)


def measured(task: Task, ours: tuple[float, ...] = (2.0, 2.1, 1.9), **more) -> Measured:
    copy = Result("products" if task.hidden else "copy-1", (1.0, 1.0, 1.0))
    torch = replace(result("torch", 8.0, 8.2, 8.1), confident=BAD)
    jax = replace(result("jax", 4.0, 4.2, 4.1), confident=BAD, extra=None)
    refused = Result("sklearn", refused="HalfMultinomialLoss takes float32 and float64 only")
    return Measured(task, (copy, result("xent", *ours), jax, torch, refused), **more)


def record(*shapes: Measured, **more) -> Record:
    peers = {
        "xent": {"label": "xent", "call": "xent.value_and_grad(logits, targets, out=out)", "versions": {"xent": "0.2"}},
        "torch": {"label": "torch eager", "call": "F.cross_entropy", "versions": {"torch": "2.13.0"}},
        "jax": {"label": "jax + optax", "call": "jax.jit", "versions": {}},
        "sklearn": {"label": "scikit-learn"},
        "tensorflow": {"label": "TensorFlow", "missing": "tensorflow is not installed"},
        "copy-1": {"label": "copy, 1 thread", "call": "numpy.copyto(out, logits)"},
    }
    values = {
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "command": "xent bench",
        "options": {"rounds": 3, "threads": 2, "seed": 0, "visit": 0.02},
        "machine": MACHINE,
        "peers": peers,
    }
    return Record(**(values | more), shapes=shapes or (measured(Task(4096, 1000)),))


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.shapes, self.steps, self.done = [], [], []

    def shape(self, task, place, count):
        self.shapes.append((task.name, place, count))

    def step(self, words, done, count):
        self.steps.append((words, done, count))

    def measured(self, record, measured):
        self.done.append((record, measured))


def run_with(monkeypatch, tasks, peers, **options) -> tuple[Record, Heard]:
    """A real run, with peers of the tests among the others."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    heard = Heard()
    plan = Plan(tasks, peers, **{"rounds": 3, "threads": 1, "visit": 0.001, **options})
    return run(plan, heard), heard
