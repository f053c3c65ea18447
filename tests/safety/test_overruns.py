"""No kernel reads or writes outside its arrays: fences and compiled-in bounds checks, first shown to see mistakes."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.safety.children import run, variables
from tests.safety.overruns import MISTAKES

BOUNDS = {"NUMBA_BOUNDSCHECK": "1"}
MACHINES = {
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
SLICES = {"a tail is loaded whole", "a tail is stored whole", "an element too early", "a square is turned whole"}
ROOMS = {"the logit below the target's"}  # beyond a part of an array, not beyond the array
KERNELS = {
    *("narrow.index_rows", "wide.index_rows", "long.index_rows", "rows.rows", "rows.softmax", "soft.probability_rows"),
    *("tiles.states", "tiles.end", "tiles.gradient", "small.mean", "plain.received", "plain.add_losses"),
    *("sums.add_products", "targets.weigh", "linear.fold", "linear.finish"),
}
SIZES = {"float32": 4, "float64": 8, "int16": 2, "uint16": 2}
PAST_THE_END = """
from tests.safety.fences import Fence
room = Fence().at_least(5000)
at = room.ctypes.data
import ctypes
print(room[0], room[-1], flush=True)
ctypes.string_at(at {}, 1)
print("alive")
"""


def tried(log: Path, *words: str, **changes: str) -> dict[str, Any]:
    """What a child tried without finding anything."""
    done = run("-m", "tests.safety.overruns", "--log", str(log), *words, environment=variables(**changes))
    where = f"case {log.read_text().strip() if log.exists() else 'none'}, exit status {done.returncode}"
    assert done.returncode == 0, f"{where}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def with_mistake(name: str, folder: Path, *words: str, **changes: str) -> tuple[int, str]:
    """How a child ends whose kernel has this mistake. It compiles anew: the stamp knows nothing of it."""
    (folder / "a file").touch()
    kind = MISTAKES[name][3]
    given = ["--mistake", name, "--kind", kind, "--cases", "300", "--dtypes", "float32", *words]
    done = run("-m", "tests.safety.overruns", *given, environment=variables(folder / "a file", **changes))
    return done.returncode, done.stderr


@pytest.mark.parametrize("where", ["- 1", "+ room.size"])
def test_a_byte_beside_a_fence_cannot_be_read(where):
    done = run("-c", PAST_THE_END.format(where))
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "0 0\n"), done.stderr


def dies_at_a_fence(name: str, folder: Path) -> None:
    status, complaint = with_mistake(name, folder)
    assert status == -signal.SIGSEGV or "wrote beside an array" in complaint, (status, complaint)


def fails_where_bounds_are_checked(name: str, folder: Path) -> None:
    status, complaint = with_mistake(name, folder, "--no-fences", **BOUNDS)
    assert (status, "IndexError" in complaint) == (1, True), (status, complaint)


@pytest.mark.slow
def test_a_planted_overrun_of_vectors_dies_at_a_fence(tmp_path):
    dies_at_a_fence("a tail is loaded whole", tmp_path)


@pytest.mark.slow
def test_a_planted_overrun_of_an_index_fails_where_bounds_are_checked(tmp_path):
    fails_where_bounds_are_checked("the next loss", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MISTAKES) - ROOMS))
def test_every_planted_overrun_dies_at_a_fence(name, tmp_path):
    dies_at_a_fence(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(MISTAKES) - SLICES))
def test_every_planted_overrun_of_an_index_fails_where_bounds_are_checked(name, tmp_path):
    fails_where_bounds_are_checked(name, tmp_path)


def test_random_shapes_and_labels_touch_no_fence(tmp_path):
    found = tried(tmp_path / "log", "--cases", "120", "--dtypes", "float32")
    assert set(found["calls"]) >= KERNELS


@pytest.mark.slow
def test_random_shapes_and_labels_break_no_bound(tmp_path):
    found = tried(tmp_path / "log", "--cases", "200", "--seed", "1", "--dtypes", "float32", **BOUNDS)
    assert set(found["calls"]) >= KERNELS


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, BOUNDS, *MACHINES.values()], ids=["this machine", "bounds", *MACHINES])
def test_very_many_shapes_and_labels_touch_no_fence_at_any_alignment(changes, tmp_path):
    places: dict[str, set[int]] = {}
    for seed in range(10, 14):
        found = tried(tmp_path / "log", "--cases", "2500", "--seed", str(seed), **changes)
        for name, seen in found["seen"].items():
            places.setdefault(name, set()).update(seen)
    for kernel in ("narrow", "wide", "long", "rows", "soft"):
        for name, seen in places.items():
            if name.startswith(f"{kernel}."):
                assert seen == set(range(0, 64, SIZES[name.split()[1]])), name
