"""Halves in lanes, bit for bit: every pattern to float32; floats to halves by ties, overflow, subnormals, NaN."""

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.lanes_alone import as_float, as_half

KINDS = [("int16", np.dtype(np.float16)), ("uint16", np.dtype(ml_dtypes.bfloat16))]
ALL = np.arange(2**16, dtype=np.uint32).astype(np.uint16)
kinds = pytest.mark.parametrize(("whole", "dtype"), KINDS, ids=["float16", "bfloat16"])


def rounded(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """What NumPy or ml_dtypes make of float32, as bits."""
    with np.errstate(all="ignore"):
        return x.astype(dtype).view(np.uint16)


def assert_rounds(x: np.ndarray, whole: str, dtype: np.dtype) -> None:
    """The lanes' rounding is theirs; a NaN stays one."""
    got, wanted = as_half(x, whole).view(np.uint16), rounded(x, dtype)
    odd = np.isnan(x)
    np.testing.assert_array_equal(got[~odd], wanted[~odd])
    assert np.isnan(got[odd].view(dtype).astype(np.float32)).all()


@kinds
def test_every_pattern_as_float32(whole, dtype):
    got, wanted = as_float(ALL.view(whole)), ALL.view(dtype).astype(np.float32)
    odd = np.isnan(wanted)
    np.testing.assert_array_equal(got[~odd].view(np.uint32), wanted[~odd].view(np.uint32))
    assert np.isnan(got[odd]).all()


@kinds
def test_every_pattern_there_and_back(whole, dtype):
    back = as_half(as_float(ALL.view(whole)), whole).view(np.uint16)
    odd = np.isnan(ALL.view(dtype).astype(np.float32))
    np.testing.assert_array_equal(back[~odd], ALL[~odd])
    assert np.isnan(back[odd].view(dtype).astype(np.float32)).all()


@kinds
def test_every_halfway_point_and_its_neighbours(whole, dtype):
    with np.errstate(invalid="ignore"):  # a signalling NaN
        values = ALL.view(dtype).astype(np.float64)
    values = np.unique(values[np.isfinite(values)])
    last = values[-1] + (values[-1] - values[-2])  # where the next number would be
    halfway = np.concatenate([(values[1:] + values[:-1]) / 2, [(values[-1] + last) / 2, -(values[-1] + last) / 2]])
    middle = halfway.astype(np.float32)
    assert (middle == halfway).all()
    for x in (middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf))):
        assert_rounds(x, whole, dtype)


@kinds
def test_a_dense_sample_of_all_float32(whole, dtype):
    assert_rounds(np.arange(0, 2**32, 1021, np.uint64).astype(np.uint32).view(np.float32), whole, dtype)


@kinds
@pytest.mark.slow
def test_every_float32(whole, dtype):
    for lo in range(0, 2**32, 2**24):
        assert_rounds(np.arange(lo, lo + 2**24, dtype=np.uint64).astype(np.uint32).view(np.float32), whole, dtype)
