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
        ("float32", "indices", {}, 2, False),
        ("float32", "probabilities", {}, 6, False),
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
import ctypes, threading, time
import numpy as np, xent

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

class Peak(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.going = 0, True
    def run(self):
        while self.going:
            self.most = max(self.most, resident())
            time.sleep(0.001)

rng = np.random.default_rng(0)
h, w = rng.standard_normal((1024, 64), np.float32), rng.standard_normal((32000, 64), np.float32)
t = rng.integers(0, 32000, 1024)
out = np.ones_like(h), np.ones_like(w)
{call}  # BLAS has its own memory now, kernels are compiled
x = None
ctypes.CDLL(None).malloc_trim(0)  # what was freed is given back: else it would be used unseen
peak, before = Peak(), resident()
peak.start()
{call}
peak.going = False
peak.join()
print(peak.most - before)
"""


def grown(statement):
    command = [sys.executable, "-c", CHILD.replace("{call}", statement)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is resident on Linux only")
def test_the_process_grows_by_no_more():
    assert grown("xent.linear_value_and_grad(h, w, t, out=out, max_bytes=32 * 2**20)") <= 34 * MIB  # and Python's own
    assert grown("x = h @ w.T; xent.value_and_grad(x, t, out=x)") > 120 * MIB
