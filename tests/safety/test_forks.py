"""Forks, process pools, affinity, and the end of the interpreter: right bits, no hang, no word on stderr."""

import json
import os
from typing import Any

import pytest

from tests.safety.children import run, variables

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
QUIET = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}  # Python 3.12 warns of forks where threads run


def found(*words: str, **changes: str) -> list[Any]:
    """The lines of JSON of a child, which ended well and said nothing else."""
    done = run("-m", "tests.safety.forks", *words, environment=variables(**QUIET, **changes))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_child_grandchild_and_parent_compute_after_a_fork():
    (bits,) = found("fork")
    assert set(bits.values()) == {bits["before"]}, bits


def test_a_child_that_kept_its_parents_pool_would_hang():
    (bits,) = found("fork", "mutant")
    assert bits["child"] == "the child ended with -14"  # SIGALRM
    assert bits["after"] == bits["before"]


def test_children_forked_amid_calls_of_other_threads_compute():
    (bits,) = found("fork_amid_work")
    assert bits == {"before": bits["before"], "children": [bits["before"]], "wrong": 0, "after": bits["before"]}


def test_a_child_forked_while_another_thread_compiles_can_compile(tmp_path):
    (bits,) = found("fork_amid_compiling", XENT_CACHE_DIR=str(tmp_path / "cache"))
    assert bits["child"] == bits["wanted"]


def test_process_pools_of_every_kind_give_the_same_bits():
    (bits,) = found("pools")
    assert bits.pop("before") == bits.pop("after")
    assert set(map(str, bits.values())) == {str(bits["fork"])}
    assert len(bits["fork"]) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_one_cpu_allowed_is_one_thread_also_in_a_forked_child():
    (count,) = found("narrowed")
    assert count["all"] == min(count["cpus"], 6)  # 16000 x 50 logits are cut in six at most
    assert (count["child"], count["one"], count["asked"]) == ("1", 1, 3)
    assert "1 thread: " in count["plan"]


@pytest.mark.parametrize(
    ("limits", "used"),
    [
        ({"XENT_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "1,4"}, 1),
        ({"XENT_NUM_THREADS": "999", "OMP_NUM_THREADS": "1"}, 1),
    ],
)
def test_the_environment_limits_threads_and_the_argument_wins(limits, used):
    assert found("threads_used", **limits) == [{"used": used, "asked": 3}]


def test_the_interpreter_ends_while_helpers_wait():
    (last,) = found("end")
    assert last["threads"] == 3


def test_the_interpreter_ends_while_a_daemon_computes():
    (last,) = found("end_amid_work")
    assert last == {"bits": found("end")[0]["bits"]}


def test_the_first_large_call_may_come_from_a_function_that_runs_at_exit():
    bits = found("end")[0]["bits"]
    assert found("end_at_exit") == [{"bits": "later"}, {"at exit": bits}]


def test_while_the_interpreter_is_taken_down_nobody_waits_for_helpers():
    _, late = found("end_in_a_finalizer")
    assert late == {"finalizing": True, "done": [0, 1, 2, 3]}
