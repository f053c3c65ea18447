"""A peer's process, from outside: commands with a time limit, and what is known when it crashes or hangs."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from xent.bench.machine import pin
from xent.bench.peers import Peer

_LAST = 2000  # bytes of what it said that are looked at
_CLOSING = 5.0  # seconds for the last answers to be read


class PeerError(Exception):
    """A peer crashed, hung or failed; the text says which, in a line."""


class RefusedError(Exception):
    """A peer does not offer the task; the text says why."""


class Process:
    """The process of one peer."""

    def __init__(self, peer: Peer, folder: Path, variables: dict[str, str], cpus: tuple[int, ...] | None) -> None:
        self.peer = peer
        self.said = folder / f"{peer.name}.log"
        self.cpu = 0.0
        environment = {**os.environ, **variables, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        with self.said.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603  # this very Python, and a module of ours
                [sys.executable, "-m", "xent.bench.worker", peer.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; we end the peers, and theirs
            )
        pin(self.process.pid, cpus)
        self.answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.reader.start()

    def send(self, do: str, **arguments: Any) -> None:  # noqa: ANN401  # as JSON holds it
        """Give a command."""
        if self.process.stdin is None:
            raise PeerError("its process has no input")
        with suppress(OSError):  # it has crashed: `receive` says so
            self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self, limit: float, do: str) -> dict[str, Any]:
        """Wait for the answer to `do`. PeerError, RefusedError."""
        try:
            line = self.answers.get(timeout=limit)
        except queue.Empty:
            self.end()
            raise PeerError(f"hung: no answer to {do!r} in {limit:.0f} s") from None
        if not line:
            raise PeerError(self._crash(do))
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            self.end()
            raise PeerError(f"answered {do!r} with something that is no JSON: {line[:60]!r}") from None
        if "refused" in answer:
            raise RefusedError(answer["refused"])
        if "error" in answer:
            raise PeerError(answer["error"])
        self.cpu += answer.get("cpu", 0.0)
        return answer

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def end(self) -> None:
        """End the process and those it has started."""
        with suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()
        self.reader.join(_CLOSING)

    def _read(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            with stream:
                for line in stream:
                    self.answers.put(line)
        self.answers.put(b"")

    def _crash(self, do: str) -> str:
        """How it ended, and the last line that it said."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.end()
        status = self.process.returncode
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        lines = self.said.read_bytes()[-_LAST:].decode(errors="replace").strip().splitlines()
        return f"crashed {how} while asked to {do!r}" + (f": {lines[-1].strip()[:200]}" if lines else "")
