"""Some processes that are the ranks of gloo groups: started once, and asked to run one function after the other.

    answers = world.run(2, cases.one_step, rows=...)     # ranks 0 and 1 of four; their answers, in rank order

An answer is what the function returned, or `Raised` with the exception's type and text.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MOST = 4
GRIDS: dict[tuple[int, int], tuple[Any, Any]] = {}  # in a rank: (rows cut, classes cut) → its two groups
PATIENCE = int(os.environ.get("XENT_PATIENCE", "300"))  # seconds; a machine that is stopped for minutes is no failure


@dataclass(frozen=True)
class Raised:
    """What a rank raised."""

    kind: str
    text: str
    trace: str


class World:
    """MOST processes; group k is made of the first k of them."""

    def __init__(self, size: int = MOST) -> None:
        self.folder = TemporaryDirectory()
        meeting = str(Path(self.folder.name) / "meeting")
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for rank in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(rank, size, meeting, theirs), daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)
        for rank, answer in enumerate(self.answers(range(size))):
            if answer != "ready":
                self.close()
                raise RuntimeError(f"rank {rank} did not start: {answer}")

    def run(self, ranks: int, function: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
        """function(group, *arguments, **options) in the first `ranks` processes; their answers."""
        self.ask(range(ranks), ranks, function, *arguments, **options)
        return self.answers(range(ranks))

    def ask(
        self, these: Iterable[int], ranks: int, function: Callable[..., Any], *arguments: Any, **options: Any
    ) -> None:
        """The same for some of them; `answers` has what they say."""
        for rank in these:
            self.pipes[rank].send((ranks, function, arguments, options))

    def answers(self, ranks: Iterable[int], seconds: float = PATIENCE) -> list[Any]:
        """One answer of each."""
        answers, end = [], time.monotonic() + seconds
        for rank in ranks:
            if not self.pipes[rank].poll(max(0.0, end - time.monotonic())):
                self.close()
                raise TimeoutError(f"rank {rank} gave no answer within {seconds} s; before it: {answers}")
            answers.append(self.pipes[rank].recv())
        return answers

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        self.folder.cleanup()


def _make_grids(rank: int, size: int, groups: dict[int, Any], wait: timedelta) -> None:
    """Fill GRIDS: the ranks that have the same classes, and those that have the same rows."""
    import torch.distributed as dist

    alone = [dist.new_group([k], timeout=wait) for k in range(size)][rank]
    for k, group in groups.items():
        GRIDS[k, 1], GRIDS[1, k] = (group, alone), (alone, group)
    if size == MOST:
        rows = [dist.new_group(ranks, timeout=wait) for ranks in ([0, 2], [1, 3])]
        shards = [dist.new_group(ranks, timeout=wait) for ranks in ([0, 1], [2, 3])]
        GRIDS[2, 2] = rows[rank % 2], shards[rank // 2]


def _serve(rank: int, size: int, meeting: str, pipe: Any) -> None:
    """A rank: run what comes, until nothing comes any more."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    wait = timedelta(seconds=PATIENCE)
    try:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=wait)
        groups = {k: dist.new_group(list(range(k)), timeout=wait) for k in range(1, size + 1)}
        _make_grids(rank, size, groups, wait)
        pipe.send("ready")
    except Exception:  # noqa: BLE001  # told to the parent
        pipe.send(traceback.format_exc())
        return
    while True:
        try:
            ranks, function, arguments, options = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(groups[ranks], *arguments, **options)
        except Exception as error:  # noqa: BLE001  # told to the parent
            answer = Raised(type(error).__name__, str(error), traceback.format_exc())
        pipe.send(answer)
