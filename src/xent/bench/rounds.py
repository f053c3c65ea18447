"""The run: for every shape the batch, all peers ready, their errors, and rounds in which each is visited once.

In a round everybody is timed right after the others, in an order that changes from round to round; so whatever slows
the machine down for a while, slows all of them, and no peer always follows the same one.
"""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xent.bench import data, exact, exact_linear, machine
from xent.bench.check import compared, compared_linear
from xent.bench.peers import COPIES, OURS, PEERS, PRODUCTS, REFERENCES, Peer
from xent.bench.peers.calls import package
from xent.bench.process import PeerError, Process, RefusedError
from xent.bench.record import Measured, Part, Record, Result
from xent.bench.task import DTYPES, Task
from xent.core.errors import OptionError

_PROCESS = 2**28  # bytes a peer's process has before it is given anything, about


class Listener(Protocol):
    """Who wants to know how far it is."""

    def shape(self, task: Task, place: int, count: int) -> None:
        """A shape begins."""

    def step(self, words: str, done: int, count: int) -> None:
        """Something of it begins."""

    def measured(self, record: Record, measured: Measured) -> None:
        """A shape is done; `record` holds who takes part."""


@dataclass(frozen=True)
class Plan:
    """What a run was asked for.

    limit    seconds that a peer may take for one answer
    visit    seconds of calls in one visit, at least one call
    """

    tasks: Sequence[Task]
    peers: Sequence[Peer]
    rounds: int = 9
    threads: int = 2
    seed: int = 0
    limit: float = 300.0
    visit: float = 0.02
    command: str = "xent bench"
    left_out: Mapping[str, str] = field(default_factory=dict)  # peers that were not asked, and why


@dataclass
class _Contestant:
    """A peer's process, and what is known of it at the shape."""

    peer: Peer
    process: Process
    result: Result
    seconds: list[float] = field(default_factory=list)

    @property
    def running(self) -> bool:
        """Whether it is still in."""
        return self.result.refused is None and self.result.failed is None

    def done(self) -> Result:
        """All that is known; of one that fell out, no times."""
        return replace(self.result, seconds=tuple(self.seconds)) if self.running else self.result


def run(plan: Plan, listener: Listener) -> Record:
    """Measure everything in a plan. Peers' failures are in the record; ours too: whoever calls looks at them."""
    if not plan.tasks:
        raise OptionError("there is no shape to measure.")
    started, began, here = machine.now(), time.monotonic(), machine.describe(plan.threads)
    about = {peer.name: _about(peer) for peer in (*plan.peers, *REFERENCES)}
    about |= {
        peer.name: {"label": peer.label, "missing": plan.left_out[peer.name]}
        for peer in PEERS
        if peer.name in plan.left_out
    }
    with tempfile.TemporaryDirectory(prefix="xent-bench-") as name, _fleet(plan, Path(name), about) as fleet:
        shapes = []
        for i, task in enumerate(plan.tasks):
            listener.shape(task, i, len(plan.tasks))
            shapes.append(_measure(plan, task, fleet, listener))
            record = Record(
                started=started,
                seconds=time.monotonic() - began,
                command=plan.command,
                options={"rounds": plan.rounds, "threads": plan.threads, "seed": plan.seed, "visit": plan.visit},
                machine=here,
                peers=about,
                shapes=tuple(shapes),
            )
            listener.measured(record, shapes[-1])
    return record


def choose(names: Sequence[str] | None) -> list[Peer]:
    """The peers of these names, ours always; all of them for None. OptionError."""
    if names is None:
        return list(PEERS)
    known = {peer.name: peer for peer in PEERS}
    if unknown := [name for name in names if name not in known]:
        raise OptionError(f"--peers has {unknown[0]!r}: there are {', '.join(known)}.")
    return [peer for peer in PEERS if peer.name in names or peer.name == OURS]


class _Fleet:
    """The processes: all started at once, for frameworks take seconds to import, and again after a crash."""

    def __init__(self, plan: Plan, folder: Path, about: dict[str, dict[str, Any]]) -> None:
        self.plan = plan
        self.folder = folder
        self.about = about
        self.cpus = machine.choose_cpus(plan.threads)
        self.running: dict[str, Process] = {}
        self.greeted: set[Process] = set()

    def start(self, peers: Iterable[Peer]) -> None:
        """Start the processes that do not run."""
        for peer in peers:
            found = self.running.get(peer.name)
            if found is None or not found.alive:
                variables = package(peer.module).variables(self.plan.threads)
                found = self.running[peer.name] = Process(peer, self.folder, variables, self.cpus)
                found.send("hello")

    def get(self, peer: Peer) -> Process:
        """The peer's process. PeerError."""
        found = self.running[peer.name]
        if found not in self.greeted:
            self.about[peer.name] |= found.receive(self.plan.limit, "hello")
            self.greeted.add(found)
        return found

    def end(self) -> None:
        """End them all."""
        for process in self.running.values():
            process.end()


@contextmanager
def _fleet(plan: Plan, folder: Path, about: dict[str, dict[str, Any]]) -> Iterator[_Fleet]:
    fleet = _Fleet(plan, folder, about)
    try:
        yield fleet
    finally:
        fleet.end()


def _about(peer: Peer) -> dict[str, Any]:
    why = peer.missing()
    return {"label": peer.label} | ({"missing": why} if why else {})


def _measure(plan: Plan, task: Task, fleet: _Fleet, listener: Listener) -> Measured:
    """One shape."""
    peers, refused = _present(plan, task)
    if not any(peer.name == OURS for peer in peers):
        return Measured(task, skipped=refused[0].refused)
    count = 5 * len(peers) + plan.rounds + 3
    step = _Steps(listener, count)
    step("making the batch")
    fleet.start(peers)
    batch = data.make(task, plan.seed)
    data.save(batch, fleet.folder)
    contestants = _load(plan, task, fleet, peers, step)
    for each in _running(contestants):
        step(f"{each.peer.label}: how fast, about")
        _choose(plan, each)
    busy = _time(plan, fleet, contestants, step)
    _errors(plan, task, batch, contestants, fleet.folder, step)
    for each in contestants:
        if each.process.alive:
            _ask(each, plan.limit, "unload")
    listener.step("", count, count)
    return Measured(task, (*(each.done() for each in contestants), *refused), busy)


class _Steps:
    """Counts what was done of a shape."""

    def __init__(self, listener: Listener, count: int) -> None:
        self.listener, self.done, self.count = listener, 0, count

    def __call__(self, words: str) -> None:
        self.listener.step(words, min(self.done, self.count), self.count)
        self.done += 1


def _present(plan: Plan, task: Task) -> tuple[list[Peer], list[Result]]:
    """Who is timed, references first; and who is not, for lack of memory: the last in the table first, ours never."""
    peers = [peer for peer in plan.peers if not peer.missing()]
    peers = [
        peer for peer in peers if peer.write is None or (task.write == "out" and task.gradient and not task.hidden)
    ]
    references = [peer for peer in REFERENCES if (peer.name == PRODUCTS) == bool(task.hidden)]
    if plan.threads == 1:
        references = [peer for peer in references if peer.name != COPIES[1]]
    free = machine.memory()[1]
    if free is None:
        return references + peers, []
    here, each = _needed(task)
    room = (free - here) // each
    kept = max(0, room - len(references))
    why = f"not enough memory: it takes about {each / 2**30:.1f} GiB more, and {free / 2**30:.1f} are free for all"
    if kept == 0:
        return [], [Result(OURS, refused=why)]
    return references + peers[:kept], [Result(peer.name, refused=why) for peer in peers[kept:]]


def _needed(task: Task) -> tuple[int, int]:
    """Bytes that this process holds at its peak, about, and those of a peer's."""
    size = DTYPES[task.dtype]
    given = (task.rows + task.classes) * task.hidden * size
    soft = task.nbytes if task.targets == "rows" else 0
    if task.hidden:
        return given + 2**28 * 3, 3 * given + 3 * task.nbytes + _PROCESS
    return 3 * task.nbytes + 2**28, 4 * task.nbytes + 2 * soft + _PROCESS


def _load(plan: Plan, task: Task, fleet: _Fleet, peers: Sequence[Peer], step: _Steps) -> list[_Contestant]:
    """Everybody with the task at hand; they get ready side by side, for some compile."""
    contestants = []
    for peer in peers:
        step(f"{peer.label}: starts")
        each = _Contestant(peer, fleet.running[peer.name], Result(peer.name))
        contestants.append(each)
        try:
            fleet.get(peer)
        except (PeerError, RefusedError) as error:
            each.result = replace(each.result, failed=str(error))
        else:
            own = replace(task, write=peer.write) if peer.write else task
            each.process.send("load", task=own.to_dict(), folder=str(fleet.folder), threads=plan.threads)
    for each in _running(contestants):
        step(f"{each.peer.label}: gets ready")
        _answer(each, plan.limit, "load")
    return contestants


def _choose(plan: Plan, each: _Contestant) -> None:
    answer = _ask(each, plan.limit, "choose", visit=plan.visit)
    if answer:
        each.result = replace(each.result, calls=answer["calls"], way=answer["way"])


def _time(plan: Plan, fleet: _Fleet, contestants: list[_Contestant], step: _Steps) -> float | None:
    """The rounds; the share of the CPUs that others took meanwhile."""
    order = random.Random(plan.seed)  # noqa: S311  # an order, no secret
    running = _running(contestants)
    watch, cpu = machine.Watch(), sum(each.process.cpu for each in running)
    for i in range(plan.rounds):
        step(f"round {i + 1} of {plan.rounds}")
        order.shuffle(running)
        for each in running:
            if each.running:
                answer = _ask(each, plan.limit, "time")
                each.seconds += [answer["seconds"]] if answer else []
    spent = sum(each.process.cpu for each in running) - cpu
    return watch.others(spent, os.cpu_count() or len(fleet.cpus or (0,)))


def _errors(
    plan: Plan, task: Task, batch: data.Batch, contestants: list[_Contestant], folder: Path, step: _Steps
) -> None:
    """Memory of a call, and what is wrong with the results of both batches. After the times: it takes the CPUs."""
    for each in _running(contestants):
        step(f"{each.peer.label}: memory and errors")
        answer = _ask(each, plan.limit, "memory")
        each.result = replace(each.result, extra=answer.get("extra"))
    peers = [each for each in contestants if each.peer not in REFERENCES]
    if task.hidden:
        linear = exact_linear.answer_linear(task, batch)
        if linear is not None:
            chosen = [linear.rows, linear.classes]
            for each in _running(peers):
                part = _part(plan, each, folder, chosen, partial(compared_linear, task, linear))
                each.result = replace(each.result, ordinary=part)
        return
    step("right answers")
    rows = exact.sample(task)
    right = exact.answer(task, batch, rows)
    if right is None:
        return
    for each in _running(peers):
        part = _part(plan, each, folder, [rows], partial(compared, task, batch, right))
        each.result = replace(each.result, ordinary=part)
    data.make_confident(batch)
    data.save(batch, folder)
    reloading = _running(peers)
    for each in reloading:
        each.process.send("reload")  # side by side, for some compile again
    step("right answers")
    right = exact.answer(task, batch, rows)
    for each in reloading:
        step(f"{each.peer.label}: errors of sure rows")
        _answer(each, plan.limit, "reload")
        if right is not None and each.running:
            part = _part(plan, each, folder, [rows], partial(compared, task, batch, right))
            each.result = replace(each.result, confident=part)


def _part(
    plan: Plan, each: _Contestant, folder: Path, rows: list[data.Array], compare: Callable[..., Part]
) -> Part | None:
    """The errors of one call; None if the peer fails."""
    file = folder / "gradients"
    answer = _ask(each, plan.limit, "check", rows=[part.tolist() for part in rows], file=str(file))
    if not answer:
        return None
    grads, raw, at = [], file.read_bytes(), 0
    for chosen, name, width in zip(rows, answer["dtypes"], answer["widths"], strict=False):
        dtype = data.dtype_of(name)
        grads.append(np.frombuffer(raw, dtype, len(chosen) * width, at).reshape(len(chosen), width))
        at += grads[-1].nbytes
    return compare(float.fromhex(answer["loss"]), answer["loss_dtype"], grads)


def _running(contestants: list[_Contestant]) -> list[_Contestant]:
    return [each for each in contestants if each.running]


def _ask(each: _Contestant, limit: float, do: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  # as JSON holds it
    """The peer's answer to a command; nothing if it fails or refuses, which then stands in its result."""
    each.process.send(do, **arguments)
    return _answer(each, limit, do)


def _answer(each: _Contestant, limit: float, do: str) -> dict[str, Any]:
    try:
        return each.process.receive(limit, do)
    except RefusedError as why:
        each.result = replace(each.result, refused=str(why))
    except PeerError as error:
        each.result = replace(each.result, failed=str(error))
    return {}
