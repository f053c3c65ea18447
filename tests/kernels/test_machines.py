"""The same tests in child processes: for older machines, and with bounds checks compiled in.

Numba reads what it compiles for when it is imported; each child's kernels are kept apart by the stamp of the cache.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import xent
from xent._kernels.cpu import fast
from xent._kernels.cpu.rows import SKIPPED

ROOT = Path(__file__).resolve().parents[2]
TESTS = ["tests/kernels/test_special_rows.py", "tests/kernels/test_row_alone.py", "tests/kernels/test_exp.py"]
MACHINES = {
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
    "bounds": {"NUMBA_BOUNDSCHECK": "1"},
}

PLANTED = """
import numpy as np
from xent._kernels.cpu import jit

def beyond(x):
    return x[x.shape[0]]

try:
    jit.compiled(beyond, jit.array("float64", 1))(np.zeros(3))
except IndexError:
    print("caught")
"""


def child(arguments: list[str], variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with these variables, and a cache of its own."""
    folder.chmod(0o700)
    path = os.pathsep.join(p for p in sys.path if p)
    environment = os.environ | {"XENT_CACHE_DIR": str(folder), "PYTHONPATH": path, "NUMBA_DISABLE_JIT": "0"} | variables
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT, check=False
    )


def test_a_planted_read_out_of_bounds_is_caught_where_bounds_are_checked(tmp_path):
    done = child(["-c", PLANTED], MACHINES["bounds"], tmp_path)
    assert done.stdout == "caught\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_bounds_and_bits_hold_on_another_machine_and_with_bounds_checked(machine, tmp_path):
    chosen = ["-m", "pytest", "-q", "--no-header", "-x", "--confcutdir=tests", "-m", "not slow", *TESTS]
    done = child(chosen, MACHINES[machine], tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "dtype", "classes"),
    [
        *(("narrow", "float32", 20), ("wide", "float16", 1000), ("wide", "float32", 1000)),
        *(("long", "float16", 5000), ("long", "float32", 5000)),
    ],
)
def test_beyond_2_to_the_31_logits_a_row_finds_its_own(kernel, dtype, classes):
    """One array, never filled: the rows before the last are not counted, so nobody reads them. Loss only."""
    n = 2**31 // classes + 130
    logits = np.zeros((n, classes), dtype)
    logits[-1] = np.linspace(-2, 3, classes)
    targets = np.full(n, SKIPPED)
    targets[-1] = classes - 1
    losses, z_losses, nothing = np.ones(n), np.ones(n), np.empty((0, 0), dtype)
    fast.run(kernel, dtype, logits, targets, np.empty(0), np.ones(n), 0.0, 0.0, losses, z_losses, nothing, whole=0)
    loss = xent.cross_entropy(logits[-1:], targets[-1:], reduction="sum")
    assert not losses[:-1].any()
    assert losses[-1].astype(np.asarray(loss).dtype) == loss
