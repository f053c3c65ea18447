"""More than 2**31 logits and their gradient, by every kernel: row i is found, and written, where row i is."""

import sys
from contextlib import ExitStack
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.repeated import repeated
from tests.laws.bits import assert_same
from xent._kernels.cpu import fast, launch
from xent._kernels.cpu.rows import SKIPPED

DTYPES: dict[str, Any] = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
CASES = [  # no number of classes divides 2**31: an offset cut to 32 bits falls on another row
    ("narrow", "float32", 20),
    *(("wide", dtype, 1000) for dtype in DTYPES),
    ("wide", "float32", 300),
    *(("long", dtype, 5000) for dtype in DTYPES),
    *(("rows", dtype, 1000) for dtype in ("float32", "float64")),
]


def run(kernel: str, part: dict[str, np.ndarray], *, whole: int) -> None:
    """The kernel on rows; losses, z_losses and grad of `part` are written."""
    x, index, scale, losses, z_losses, grad = (part[k] for k in ("x", "index", "scale", "losses", "z_losses", "grad"))
    nothing = np.empty(0)
    if kernel != "rows":
        fast.run(kernel, x.dtype.name, x, index, nothing, scale, 0.0, 0.0, losses, z_losses, grad, whole=whole)
        return
    options = (0.0, 0.0, 1.0, np.inf)
    target = (index, launch.NO_ROWS, nothing, nothing, nothing)
    launch.row_kernel(x.dtype.name)(x, *target, *options, scale, losses, z_losses, *launch.NO_EXTRAS, grad)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is repeated by means of Linux")
@pytest.mark.parametrize(("kernel", "dtype", "classes"), CASES)
def test_beyond_2_to_the_31_logits_a_gradient_lies_where_its_row_is(kernel, dtype, classes):
    rng = np.random.default_rng(classes)
    period = 512 * max(1, 5000 // classes)  # rows that repeat: whole pages, and no more pieces than Linux allows
    x = (rng.standard_normal((period, classes)) * 3).astype(DTYPES[dtype])
    index = rng.integers(0, classes, period)
    index[rng.random(period) < (0.95 if kernel == "rows" else 0.1)] = SKIPPED  # "rows" takes its time
    part = {"x": x, "index": index, "scale": rng.random(period)}
    part |= {"losses": np.zeros(period), "z_losses": np.zeros(period), "grad": np.zeros_like(x)}
    few = {name: array.copy() for name, array in part.items()}
    run(kernel, few, whole=2**40)
    rows = 2**31 // classes + period + 77
    with ExitStack() as stack:
        many = {name: stack.enter_context(repeated(array, rows)) for name, array in part.items()}
        assert many["x"].size > 2**31 + period * classes
        run(kernel, many, whole=many["grad"].nbytes)
        for name in ("losses", "grad"):
            assert_same(many[name][:period].copy(), few[name], name)
            assert np.any(few[name])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is repeated by means of Linux")
def test_a_gradient_at_an_offset_of_32_bits_would_be_seen():
    part = np.zeros((512, 1000), np.float32)
    with repeated(part, 2**32 // 4000 + 1024) as many:
        beyond = 2**30 + 500_000  # elements: 2**32 bytes and some
        many.reshape(-1)[beyond] = 1.0
        assert np.flatnonzero(part).size == 0
        assert np.flatnonzero(many[:512]).tolist() == [beyond % part.size]
        assert (beyond - 2**30) % part.size != beyond % part.size
