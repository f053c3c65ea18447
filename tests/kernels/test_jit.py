"""Compiling: one type at a time, functions told of late, and what happens where there is no Numba."""

import sys

import numpy as np
import pytest

from xent._kernels.cpu import jit
from xent.core import errors

compiles = jit.numba_or_none() is not None


def test_a_kernel_takes_the_types_it_was_compiled_for_and_no_other():
    def kernel(x, by):
        for i in range(x.shape[0]):
            x[i] *= by

    run = jit.compiled(kernel, jit.array("float64", 1, written=True), "float64")
    x = np.ones(3)
    run(x, 2.0)
    assert x.tolist() == [2.0] * 3
    if compiles:
        with pytest.raises(TypeError):
            run(np.ones(3, np.float32), 2.0)


def test_a_function_that_is_marked_after_the_first_call_is_compiled_into_its_caller_all_the_same():
    jit.compiled(lambda x: x.shape[0], jit.array("float64", 1))

    @jit.inner
    def later(a):
        return a + 1.0

    def kernel(x):
        return later(x[0])

    assert jit.compiled(kernel, jit.array("float64", 1))(np.array([4.0])) == 5.0


def test_the_function_of_a_type_is_the_only_one_that_is_compiled():
    @jit.inner
    def whole(x):
        return x[0] // 2

    @jit.inner
    def never(x):
        return x.no_such_thing

    chosen = jit.by_type(lambda x: str(x.dtype).startswith("int"), whole, never)

    def kernel(x):
        return chosen(x)

    assert jit.compiled(kernel, jit.array("int64", 1))(np.array([9])) == 4


def test_without_numba_there_is_a_warning_and_the_text_itself(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.warns(errors.InterpretedWarning):
        assert jit.numba_or_none.__wrapped__() is None
