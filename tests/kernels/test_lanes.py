"""Sweeps on the machine's vectors give what the same text gives on NumPy's arrays, bit for bit, tails included."""

import numpy as np
import pytest

from xent._kernels.cpu import jit, lanes
from xent._kernels.cpu.lanes import as_float, bits_as, narrowed, sweep, times_plus, where, widened

LENGTHS = (0, 1, 7, 8, 15, 16, 17, 33, 100)
SPECIAL = [0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan, 1e-42, 3e38, -2.5]
ON_FLOATS = {
    "sums": lambda x, y: (x + y) + (2.0 + x),
    "differences": lambda x, y: (x - y) - (0.5 - y),
    "products": lambda x, y: (x * y) * (1.25 * y),
    "quotients": lambda x, y: (x / y) - (3.0 / x) + x / 7.0,
    "less": lambda x, y: where(x < y, 1.0, x),
    "at most": lambda x, y: where(x <= y, x, 2.0),
    "more": lambda x, y: where(x > 0.25, y, x),
    "at least": lambda x, y: where(x >= y, x, 0.0),
    "equal": lambda x, y: where(x == y, 5.0, y),
    "not equal, as a NaN is to itself": lambda x, y: where(x != x, 7.0, y),  # noqa: PLR0124 -- the point of it
    "both": lambda x, y: where((x < y) & (x > -1.0), x, y),
    "either": lambda x, y: where((x < y) | (y < 0.0), 1.0, y),
    "one alone": lambda x, y: where((x < 1.0) ^ (y < 1.0), 1.0, x),
}
ON_WHOLE = {
    "sums": lambda x, y: x + y - 3,
    "products": lambda x, y: x * y,
    "bits": lambda x, y: ((x & 0xFF) | (y << 3)) ^ (x >> 2),
    "compared": lambda x, y: where(x != y, where(x < 100, x, 1), y),
    "in order": lambda x, y: where(x >= y, where(x <= 5, x, y), where(x > -9, y, 0)),
}
CASTS = {
    "float32": lambda x: bits_as(bits_as(x, "int32") + 1, "float32"),
    "float64": lambda x: bits_as(bits_as(x, "int64") ^ 1, "float64"),
    "int32": lambda x: bits_as(as_float(x, "float32") * 0.1, "int32"),
    "int64": lambda x: bits_as(as_float(x, "float64") * 0.1, "int64"),
    "uint16": lambda x: narrowed(widened(x, "int32") + 70_000, "uint16"),
    "int16": lambda x: narrowed(widened(x, "int32") >> 1, "int16"),
}


def numbers(dtype: str, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            return rng.choice([*SPECIAL, *rng.standard_normal(10)], n).astype(dtype)
    return rng.integers(-1000, 1000, n).astype(dtype)


def on_the_machine(body, *folds, **options):
    """The sweep of a body as kernels call it: compiled where there is Numba."""
    swept, numba = sweep(*folds, **options)(body), jit.numba_or_none()
    if numba is None:
        return swept

    def call(*arguments):
        return swept(*arguments)

    return numba.njit(call)


def on_arrays(body, *folds, partial=()):
    """The same text without Numba."""
    return lanes._on_arrays(body, folds, partial)


def assert_bits(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal to the bit; any NaN is any other."""
    np.testing.assert_array_equal(got, wanted)
    there = got == got  # noqa: PLR0124 -- no NaN
    assert got[there].tobytes() == wanted[there].tobytes()


def assert_agree(operation, dtype, lengths=LENGTHS):
    """The machine and NumPy, beyond the end nothing is written."""

    def body(x, y, out):
        out.store(operation(x.load(), y.load()))

    machine, plain = on_the_machine(body), on_arrays(body)
    for n in lengths:
        x, y = numbers(dtype, n), numbers(dtype, n, 1)
        room = np.zeros(n + 2, dtype)
        wanted = np.zeros(n, dtype)
        with np.errstate(all="ignore"):
            plain(x, y, wanted) if n else None
        machine(x, y, room[1 : n + 1])
        assert_bits(room[1 : n + 1], wanted)
        assert room[0] == room[-1] == 0


@pytest.mark.parametrize("name", ON_FLOATS)
def test_arithmetic_on_floats(name):
    assert_agree(ON_FLOATS[name], "float32")


def test_arithmetic_on_doubles():
    assert_agree(lambda x, y: where(x < 0.0, 7.0, (2.0 - x) * y / 3.0), "float64")


@pytest.mark.parametrize("name", ON_WHOLE)
def test_arithmetic_on_whole_numbers(name):
    assert_agree(ON_WHOLE[name], "int32")


@pytest.mark.parametrize("dtype", CASTS)
def test_casts(dtype):
    assert_agree(lambda x, _: CASTS[dtype](x), dtype, (1, 16, 17))


def test_numbers_go_to_every_lane_and_products_may_be_fused():
    def body(x, out, factor, bound):
        out.store(times_plus(x.load(), factor, where(x.load() < bound, 0.0, factor)))

    x, out, wanted = np.linspace(-3, 3, 37), np.zeros(37), np.zeros(37)
    on_the_machine(body)(x, out, 1.1, 2.0)
    on_arrays(body)(x, wanted, 1.1, 2.0)
    np.testing.assert_allclose(out, wanted, rtol=3e-16)


def test_a_tuple_of_arguments_is_the_arguments():
    def body(x, out):
        out.store(x.load() + 1.0)

    swept = sweep()(body)

    def call(x, out):
        swept(*(x, out))

    numba = jit.numba_or_none()
    x, out = np.arange(20.0), np.zeros(20)
    (call if numba is None else numba.njit(call))(x, out)
    assert (out == x + 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 8, 16, 23, 100])
def test_sum_count_and_largest_see_every_element_once_and_none_beyond(dtype, n):
    def body(x):
        value = x.load(-np.inf)
        return where(value > 0.0, value, 0.0), value > 0.0, value

    folds = ("sum", "count", "largest")
    for shift in (0.0, -9.0, 9.0):
        x = (np.random.default_rng(n).standard_normal(n) + shift).astype(dtype)
        total, count, top = on_the_machine(body, *folds)(x)
        wanted, wanted_count, wanted_top = on_arrays(body, *folds)(x)
        assert total == pytest.approx(wanted, rel=2e-7 if dtype == "float32" else 1e-15)
        assert (count, top) == (wanted_count, wanted_top)


def test_an_infinite_sum_is_infinite():
    def body(x):
        return x.load()

    for dtype in ("float32", "float64"):
        assert on_the_machine(body, "sum")(np.array([1.0, np.inf, 2.0], dtype)) == np.inf


@pytest.mark.parametrize("reach", [0, 15, 16, 40, 48, 50])
def test_partial_arrays_take_part_in_their_whole_sixteens_only(reach):
    def body(x, old, out):
        before = old.load() if out.present else None
        if out.present:
            out.store(before * 2.0, past_the_cache=True)
        return x.load()

    partial = {"partial": ("old", "out")}
    x, buffer = np.arange(50, dtype=np.float32), np.zeros(80, np.float32)
    start = -buffer.ctypes.data % 64 // 4  # past the cache is written from a multiple of 64 bytes on
    found = []
    for call in (on_the_machine(body, "sum", **partial), on_arrays(body, "sum", **partial)):
        out = buffer[start : start + reach]
        out[:] = 0.0
        found.append((call(x, x[:reach] + 1, out), out.tolist()))
    assert found[0] == found[1]
    assert found[0][1] == [2.0 * (k + 1) if k < reach // 16 * 16 else 0.0 for k in range(reach)]


def test_rows_of_a_plane_and_what_is_asked_for_ahead():
    def body(x, plane):
        x.prefetch(10_000)
        plane[1].store(plane[0].load() + x.load())

    x, plane = np.arange(16.0), np.ones((2, 32))
    on_the_machine(body, whole=True)(x, plane)
    assert plane[1].tolist() == [*(x + 1).tolist(), *[1.0] * 16]
