"""What a call takes beside arguments and results stays within `max_bytes`, as NumPy and the system count it."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import xent
from tests.test_linear.cases import DTYPES
from xent._linear import call, cuts

ROWS, WIDTH, CLASSES = 600, 48, 8000  # float32 logits: 18 MiB
MIB = 2**20


def inputs(dtype="float32", kind="indices"):
    rng = np.random.default_rng(0)
    h = rng.standard_normal((4, ROWS // 4, WIDTH)).astype(DTYPES[dtype])
    w = rng.standard_normal((CLASSES, WIDTH)).astype(DTYPES[dtype])
    t = rng.integers(0, CLASSES, (4, ROWS // 4))
    if kind == "probabilities":
        t = rng.random((4, ROWS // 4, CLASSES), np.float32)
    return h, w, t


def taken(function, *arguments, **options):
    """Bytes taken at the most beyond what is there afterwards."""
    function(*arguments, **options)  # everything compiled and cached
    tracemalloc.start()
    try:
        results = function(*arguments, **options)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del results
    return peak - left


class Ways:
    """Notes how calls were cut."""

    def __init__(self, monkeypatch):
        self.found = []
        monkeypatch.setattr(call, "cut", self.cut)

    def cut(self, *given, **options):
        self.found.append(cuts.cut(*given, **options))
        return self.found[-1]


@pytest.mark.parametrize(
    ("dtype", "kind", "options", "mib", "whole"),
    [
        ("float32", "indices", {}, 8, True),
        ("float32", "indices", {"shift": 1}, 8, True),
        ("float32", "probabilities", {}, 14, True),
        ("float32", "probabilities", {"shift": 1}, 16, True),
        ("float64", "indices", {"label_smoothing": 0.1}, 10, True),
        ("float32", "indices", {}, 3, False),
        ("float32", "probabilities", {}, 7, False),
        ("float16", "indices", {}, 6, False),
        ("bfloat16", "indices", {"shift": 2}, 4, False),
        ("bfloat16", "indices", {}, 32, True),
    ],
)
def test_no_more_is_taken_than_allowed(dtype, kind, options, mib, whole, monkeypatch):
    ways = Ways(monkeypatch)
    found = taken(xent.linear_value_and_grad, *inputs(dtype, kind), max_bytes=mib * MIB, **options)
    assert found <= mib * MIB
    assert found > mib * MIB / 8  # what is allowed is used
    assert {not way.tiles for way in ways.found} == {whole}


@pytest.mark.parametrize("mib", [3, 6, 16])
def test_the_loss_alone_takes_no_more_either(mib):
    assert taken(xent.linear_cross_entropy, *inputs(), max_bytes=mib * MIB) <= mib * MIB


@pytest.mark.parametrize(
    "change", [np.asfortranarray, lambda a: a[..., ::-1], lambda a: a.astype(">f4")], ids=["columns", "reversed", "big"]
)
def test_odd_layouts_take_no_more(change):
    h, w, t = inputs()
    assert taken(xent.linear_value_and_grad, change(h), change(w), t, max_bytes=6 * MIB) <= 6 * MIB


def test_ignored_rows_take_no_more():
    h, w, t = inputs()
    t[:, ::3] = -100
    assert taken(xent.linear_value_and_grad, h, w, t, max_bytes=6 * MIB) <= 6 * MIB


def test_holding_all_logits_would_be_seen():
    def all_logits(h, w, t, max_bytes):
        x = h.reshape(-1, WIDTH) @ w.T
        return xent.value_and_grad(x, t.reshape(-1), out=x)[0]

    assert taken(all_logits, *inputs(), max_bytes=8 * MIB) > 8 * MIB


CHILD = """
import resource, sys
import numpy as np, xent

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

rng = np.random.default_rng(0)
h, w = rng.standard_normal((1024, 64), np.float32), rng.standard_normal((64000, 64), np.float32)
t = rng.integers(0, 64000, 1024)
out = np.zeros_like(h), np.zeros_like(w)
small = w[:500].copy()
xent.linear_value_and_grad(h[:300], small, t[:300] % 500, max_bytes=2**21)  # BLAS has its memory, kernels are compiled
xent.linear_value_and_grad(h[:300], small, t[:300] % 500, max_bytes=2**21, out=(out[0][:300], out[1][:500]))
before = peak()
{call}
print(peak() - before)
"""


def grown(statement):
    done = subprocess.run(
        [sys.executable, "-c", CHILD.replace("{call}", statement)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="the system keeps no maximum of the resident set")
def test_the_process_grows_by_no_more():
    assert grown("xent.linear_value_and_grad(h, w, t, out=out, max_bytes=64 * 2**20)") <= 68 * MIB  # Python's allocator
    assert grown("x = h @ w.T; xent.value_and_grad(x, t, out=x)") > 160 * MIB
