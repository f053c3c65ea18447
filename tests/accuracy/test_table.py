"""The table of errors names every kernel of every dtype, and says what is beyond its bound."""

import json
from itertools import chain

import pytest

from tests.accuracy import by_kernel, table
from tests.accuracy.measure import plain_cases, variant_cases
from tests.accuracy.ulp import DTYPES
from tests.fronts import NUMPY
from tests.mutants import TargetBySubtraction

SIZES = (2, 24, 30, 2049)


def few(dtype: str, *, full: bool = False):
    """A case or two of every kernel."""
    return chain(plain_cases(dtype, SIZES, 1), variant_cases(dtype, (3, 30), 1, ("soft", "cap 30", "smoothing 0.1")))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The rows of many classes with every option are for the table itself."""
    monkeypatch.setattr(by_kernel, "long_cases", lambda dtype: variant_cases(dtype, (2049,), 1, ("z-loss 1e-4",)))
    monkeypatch.setattr(table, "cases", few)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_kernel_that_there_is_has_a_line_within_its_bounds(dtype):
    found, kernels = table.collect(NUMPY, few(dtype), dtype)
    assert set(kernels) == {(each, kernel) for kernel, each in by_kernel.existing() if each == dtype}
    assert [k for k in kernels.values() if not k.ok] == []
    text = table.lines(dtype, found, kernels)
    assert all(any(t.startswith(f"{kernel} ") for t in text) for _, kernel in kernels)
    assert max(map(len, text)) <= 80


def test_a_kernel_beyond_its_bound_is_marked_and_is_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(table, "FRONTS", (TargetBySubtraction(),))
    assert table.main(["--dtype", "float64"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert next(t for t in shown if t.startswith("wide ")).endswith("  OVER")
    assert shown[-1].endswith(" beyond their bound, marked OVER")


def test_for_machines_the_kernels_are_there_by_name(capsys):
    assert table.main(["--dtype", "float32", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {k["kernel"] for k in record["kernels"]} == {k for k, dtype in by_kernel.existing() if dtype == "float32"}
    assert record["within"]
