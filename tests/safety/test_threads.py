"""Rows over threads: every piece is done, errors come through, limits are kept, and Python threads do not disturb."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import xent
from tests.laws.bits import bits
from tests.safety.children import changed
from xent._kernels.cpu import launch, threads

NAME = "xent._kernels.cpu.threads"


# ------------------------------------------------------------------------------------------------------------ run
def does_every_piece_once(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (0, 1, 2, 7, 40):
        done: list[int] = []
        module.run(done.append, [(k,) for k in range(count)])
        assert sorted(done) == list(range(count))


def uses_a_thread_for_each_piece(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Barrier(5)
    module.run(lambda: gate.wait(20), [()] * 5)


def passes_errors_on_when_all_is_done(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for failing in range(4):
        ended = []

        def job(number: int, failing: int = failing, ended: list[int] = ended) -> None:
            if number == failing:
                raise ValueError(f"piece {number}")
            time.sleep(0.03)
            ended.append(number)

        with pytest.raises(ValueError, match=f"piece {failing}"):
            module.run(job, [(k,) for k in range(4)])
        assert len(ended) == 3
        module.run(job, [(9,)] * 4)  # nobody has been lost


def waits_on_ctrl_c(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def job(number: int) -> None:
        if number == 0:
            raise KeyboardInterrupt
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        module.run(job, [(k,) for k in range(3)])
    assert sorted(ended) == [1, 2]


def does_without_threads(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for most in range(3):
        monkeypatch.setattr(module, "_pool", None)
        with monkeypatch.context() as patch:
            given: list[Any] = []
            real = threading.Thread.start

            def start(self: threading.Thread, given: list[Any] = given, most: int = most, real: Any = real) -> None:
                if len(given) >= most:
                    raise RuntimeError("can't start new thread")
                given.append(self)
                real(self)

            patch.setattr(threading.Thread, "start", start)
            does_every_piece_once(module, monkeypatch)


def does_without_threads_at_the_end(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "is_finalizing", lambda: True)
    seen = set()
    module.run(lambda: seen.add(threading.current_thread()), [()] * 4)
    assert seen == {threading.current_thread()}


# ------------------------------------------------------------------------------------------------------------ limits
def takes_the_smallest_limit(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpus, quota, ours, openmp, wanted in [
        (8, None, None, None, 8),
        (8, 3, None, None, 3),
        (2, 3, None, None, 2),
        (8, None, "5", None, 5),
        (8, None, None, "4,2", 4),
        (8, 6, "5", "7", 5),
        (8, 6, "0", "nonsense", 6),
        (8, None, "-3", "", 8),
        (8, 1, "9", "9", 1),
    ]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cpus=cpus: set(range(cpus)), raising=False)
        monkeypatch.setattr(module, "cgroup_quota", lambda quota=quota: quota)
        for name, text in (("XENT_NUM_THREADS", ours), ("OMP_NUM_THREADS", openmp)):
            monkeypatch.delenv(name, raising=False)
            if text is not None:
                monkeypatch.setenv(name, text)
        assert module.available() == wanted


CGROUPS = [  # files below the root; the process's own cgroups; CPUs
    ({"cpu.max": "max 100000\n"}, "0::/\n", None),
    ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
    ({"cpu.max": "20000 100000\n"}, "", 1),
    ({"app/one/cpu.max": "300000 100000\n", "app/cpu.max": "max 100000\n"}, "0::/app/one\n", 3),
    ({"app/one/cpu.max": "max 100000\n", "app/cpu.max": "200000 100000\n"}, "0::/app/one\n", 2),
    ({"other/cpu.max": "100000 100000\n"}, "0::/app\n", None),
    ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "1:cpu:/\n", None),
    ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "", 3),
    (
        {"cpu/box/cpu.cfs_quota_us": "100000\n", "cpu/box/cpu.cfs_period_us": "50000\n"},
        "3:memory:/elsewhere\n2:cpu,cpuacct:/box\n",
        2,
    ),
    ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "0\n"}, "1:cpu:/\n", None),
    ({"cpu/cpu.cfs_quota_us": "100000\n"}, "1:cpu:/\n", None),
    ({"cpu.max": "nonsense\n"}, "nonsense\n\n", None),
    ({}, "0::/app\n", None),
]


def reads_the_quota(module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, (files, own, wanted) in enumerate(CGROUPS):
        root = tmp_path / str(number)
        root.mkdir()
        (root / "own").write_text(own)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        assert module.cgroup_quota(root, root / "own") == wanted, (files, own)


CHECKS = [
    does_every_piece_once,
    uses_a_thread_for_each_piece,
    passes_errors_on_when_all_is_done,
    waits_on_ctrl_c,
    does_without_threads,
    does_without_threads_at_the_end,
    takes_the_smallest_limit,
]
MISTAKES = [
    (does_every_piece_once, "jobs.put((job, piece, done))", "jobs.put((job, pieces[1], done))"),
    (uses_a_thread_for_each_piece, "_pool.grow(count)", "_pool.grow(count - 1)"),
    (passes_errors_on_when_all_is_done, "error = done.get() or error", "done.get()"),
    (passes_errors_on_when_all_is_done, "while waiting:", "while waiting and not error:"),
    (
        waits_on_ctrl_c,
        "except BaseException as raised:  # noqa: BLE001  # raised again below",
        "except ValueError as raised:",
    ),
    (does_without_threads, "suppress(RuntimeError)", "suppress(ValueError)"),
    (does_without_threads_at_the_end, " or sys.is_finalizing()", ""),
    (takes_the_smallest_limit, "return min(limits)", "return max(limits)"),
    (takes_the_smallest_limit, "limits.append(quota)", "pass"),
    (takes_the_smallest_limit, ', "OMP_NUM_THREADS")', ")"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rows_over_threads(check, monkeypatch):
    check(threads, monkeypatch)


@pytest.mark.parametrize(("check", "old", "new"), MISTAKES)
def test_the_check_sees_the_mistake(check: Callable[..., None], old: str, new: str, monkeypatch):
    monkeypatch.setattr(os, "register_at_fork", lambda **_: None, raising=False)
    module = changed(NAME, old, new)
    if check is uses_a_thread_for_each_piece:
        monkeypatch.setattr(threading.Barrier, "wait", lambda self, _, wait=threading.Barrier.wait: wait(self, 0.5))
    with pytest.raises((AssertionError, RuntimeError, KeyboardInterrupt, pytest.fail.Exception)):
        check(module, monkeypatch)


def test_the_quota_of_a_cgroup_and_of_all_above_it(monkeypatch, tmp_path):
    reads_the_quota(threads, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [("-(-int(quota) // int(period))", "int(quota) // int(period)"), ("parts[: k + 1]", "parts")]
)
def test_a_wrong_quota_is_seen(old, new, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "register_at_fork", lambda **_: None, raising=False)
    with pytest.raises(AssertionError):
        reads_the_quota(changed(NAME, old, new), monkeypatch, tmp_path)


# ------------------------------------------------------------------------------------------------ Python's own threads
def calls() -> dict[str, Callable[[], list[Any]]]:
    """Calls that run different kernels, and the same kernel on other shapes; each on arrays of its own."""

    def call(seed: int, shape: tuple[int, int], dtype: Any, *, place: str = "fresh", **options: Any) -> list[Any]:
        rng = np.random.default_rng(seed)
        logits = (rng.standard_normal(shape) * 3).astype(dtype)
        targets: Any = rng.integers(0, shape[1], shape[0])
        if options.pop("soft", False):
            targets = rng.dirichlet(np.ones(shape[1]), shape[0])
        if place == "none":
            return [xent.cross_entropy(logits, targets, **options)]
        return list(xent.value_and_grad(logits, targets, out=logits if place == "over" else None, **options))

    half, brain, single, double = np.float16, ml_dtypes.bfloat16, np.float32, np.float64
    table: dict[str, tuple[tuple[int, int], Any, dict[str, Any]]] = {
        "small": ((50, 10), single, {}),
        "small, over": ((50, 10), single, {"place": "over"}),
        "narrow": ((3000, 20), single, {"threads": 3}),
        "narrow, smoothed": ((3000, 7), single, {"threads": 2, "label_smoothing": 0.1}),
        "wide": ((300, 600), single, {"threads": 3}),
        "wide, other classes": ((300, 300), single, {"threads": 2}),
        "wide, float16": ((200, 700), half, {"threads": 2}),
        "wide, bfloat16, over": ((200, 700), brain, {"threads": 2, "place": "over"}),
        "wide, float64": ((200, 300), double, {"threads": 2}),
        "long": ((20, 6000), single, {"threads": 3}),
        "long, over": ((20, 6001), single, {"threads": 2, "place": "over"}),
        "long, bfloat16": ((20, 5000), brain, {"threads": 2}),
        "long, float64, loss only": ((20, 5000), double, {"threads": 2, "place": "none"}),
        "loss only": ((300, 600), single, {"threads": 3, "place": "none"}),
        "rows": ((200, 200), single, {"threads": 3, "softcap": 4.0}),
        "probabilities": ((100, 400), single, {"threads": 2, "soft": True}),
        "none": ((4000, 20), single, {"threads": 2, "reduction": "none"}),
    }

    def made(seed: int, shape: tuple[int, int], dtype: Any, options: dict[str, Any]) -> Callable[[], list[Any]]:
        return lambda: [bits(value) for value in call(seed, shape, dtype, **options)]

    return {name: made(seed, *given) for seed, (name, given) in enumerate(table.items())}


def all_at_once(runners: int, rounds: int, *, only: str = "") -> None:
    """Every call by every runner, each in an order of its own; the bits are those of one after the other."""
    table = {name: call for name, call in calls().items() if only in (name, "")}
    serial = {name: call() for name, call in table.items()}
    gate = threading.Barrier(runners)

    def runner(seed: int) -> list[str]:
        names = sorted(table) * rounds
        np.random.default_rng(seed).shuffle(names)
        gate.wait(60)
        return [name for name in names if table[name]() != serial[name]]

    with ThreadPoolExecutor(runners) as pool:
        assert [wrong for wrong in pool.map(runner, range(runners)) if wrong] == []


def test_python_threads_that_call_different_kernels_at_once_get_the_bits_of_one_after_the_other():
    all_at_once(runners=4, rounds=3)


@pytest.mark.slow
def test_many_python_threads_for_a_while():
    all_at_once(runners=12, rounds=100)


def test_rooms_shared_by_all_threads_would_be_seen(monkeypatch):
    from xent._kernels.cpu import fast

    class Shared:
        """In place of the rooms a thread each."""

    monkeypatch.setattr(fast, "_kept", Shared())
    with pytest.raises(AssertionError):
        all_at_once(runners=4, rounds=500, only="wide")  # of one size: rooms that are too small would be worse


def test_threads_count_in_pieces():
    assert len(launch.cut_rows(10_000, 100, 7)) == 7
    assert len(launch.cut_rows(3, 10**6, 7)) == 3
