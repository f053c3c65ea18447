"""python -m xent.bench.worker MODULE: the process that one peer runs in.

It reads commands and writes answers, a JSON object a line each, until its input ends:

    {"do": "load", "task": …, "folder": …, "threads": n}   read the batch, prepare, call once (compile)
    {"do": "choose", "visit": s}                            take the fastest way; how often a visit calls {"calls": n}
    {"do": "check", "rows": [[…]], "file": …}               call once; write those rows of the gradients
    {"do": "reload"}                                        read the logits again: they were changed
    {"do": "memory"}                                        {"extra": bytes or null}
    {"do": "time"}                                          {"seconds": of a call, "cpu": so far}
    {"do": "unload"}                                        forget task and batch

An answer {"refused": why} says that the peer does not offer the task, {"error": what} that it failed. What libraries
print goes to stderr. A peer is alone in its process: thread pools, caches and memory do not meet.
"""

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from xent.bench import data, memory, timing
from xent.bench.peers.calls import Prepared, Refused
from xent.bench.task import Task


class Worker:
    """A peer and the task it holds."""

    def __init__(self, module: str) -> None:
        self.peer: Any = importlib.import_module(module)
        self.task: Task | None = None
        self.folder = Path()
        self.threads = 1
        self.prepared = Prepared({}, lambda result: result)
        self.way = ""
        self.calls = 1
        self.expected = 0.0

    def hello(self) -> dict[str, Any]:
        """What the peer is."""
        return {"call": self.peer.CALL, "versions": self.peer.versions()}

    def load(self, task: dict[str, Any], folder: str, threads: int) -> dict[str, Any]:
        """Get ready; every way is called once, in which things are compiled."""
        self.task, self.folder, self.threads = Task.from_dict(task), Path(folder), threads
        self.prepared = self.peer.prepare(self.task, data.load(self.task, self.folder), threads)
        for way in self.prepared.ways.values():
            timing.timed(way, self.prepared.restore, 1)
        self.way = next(iter(self.prepared.ways))
        return {}

    def reload(self) -> dict[str, Any]:
        """Take the batch from the files again, by the same way."""
        if self.task is None:
            raise RuntimeError("reload before load")
        self.prepared = Prepared({}, self.prepared.read)  # the old arrays go before the new ones come
        self.prepared = self.peer.prepare(self.task, data.load(self.task, self.folder), self.threads)
        return {}

    def choose(self, visit: float) -> dict[str, Any]:
        """Find the fastest way, and how often it is called in a visit of so many seconds."""
        guesses = {name: timing.guess(way, self.prepared.restore) for name, way in self.prepared.ways.items()}
        self.way = min(guesses, key=guesses.__getitem__)
        self.expected = guesses[self.way]
        self.calls = timing.calls_for(self.expected, visit)
        timing.quiet_collector()
        timing.settle()
        return {"calls": self.calls, "way": self.way, "ways": guesses}

    def check(self, rows: list[list[int]], file: str) -> dict[str, Any]:
        """Loss, and the rows asked for of each gradient, one after the other in the file."""
        if self.prepared.restore is not None:
            self.prepared.restore()
        loss, grads = self.prepared.read(self.prepared.ways[self.way]())
        with Path(file).open("wb") as out:
            out.writelines(grad[chosen].tobytes() for grad, chosen in zip(grads, rows, strict=False))
        kinds = {"dtypes": [grad.dtype.name for grad in grads], "widths": [grad.shape[1] for grad in grads]}
        return {"loss": float(loss).hex(), "loss_dtype": loss.dtype.name, **kinds}

    def memory(self) -> dict[str, Any]:
        """Peak of a call."""
        if self.prepared.restore is not None:
            self.prepared.restore()
        return {"extra": memory.peak_extra(self.prepared.ways[self.way])}

    def time(self) -> dict[str, Any]:
        """One visit."""
        way = self.prepared.ways[self.way]
        before = time.process_time()
        seconds = timing.visit(way, self.prepared.restore, self.calls, self.expected)
        timing.settle()
        return {"seconds": seconds, "cpu": time.process_time() - before}

    def unload(self) -> dict[str, Any]:
        """Let everything go."""
        self.task, self.prepared = None, Prepared({}, lambda result: result)
        gc.unfreeze()
        gc.collect()
        return {}

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what a command says; every failure is an answer."""
        try:
            done: dict[str, Any] = getattr(self, command.pop("do"))(**command)
        except Refused as why:
            return {"refused": str(why)}
        except MemoryError:
            return {"error": "not enough memory"}
        except Exception as error:  # noqa: BLE001  # whatever a peer raises
            text = (str(error).strip().splitlines() or [""])[0]
            return {"error": f"{type(error).__name__}: {text}"[:300]}
        return done


def main(module: str, commands: TextIO, answers: TextIO) -> None:
    """Answer commands until there are no more."""
    worker: Worker | None = None
    for line in commands:
        if worker is None:
            try:
                worker = Worker(module)
            except ImportError as error:
                print(json.dumps({"error": f"cannot be imported: {error}"}), file=answers, flush=True)
                return
        print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    main(sys.argv[1], sys.stdin, out)
