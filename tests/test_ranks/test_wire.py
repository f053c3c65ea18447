"""What travels between ranks: exact numbers of any size, in a fixed number of int64."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.core.batch import GRID, units
from xent.torch.distributed import LIMBS, ONE, Count, limbs_of, nearest_power, number, number_of

HUGE = 1.7976931348623157e308
LONG = settings(deadline=None, max_examples=100, derandomize=True, database=None)


@LONG
@given(st.lists(st.integers(-(2**4300), 2**4300), min_size=1, max_size=8))
def test_numbers_of_any_sign_add_up_digit_by_digit(numbers):
    added = np.sum([limbs_of(each) for each in numbers], axis=0)
    assert added.dtype == np.int64
    assert number_of(added) == sum(numbers)


def test_the_largest_sums_fit():
    row = units(HUGE, HUGE, HUGE)
    assert number_of(limbs_of(row << 64)) == row << 64
    assert limbs_of(row).size == LIMBS


def test_a_million_ranks_do_not_overflow_a_digit():
    full = limbs_of((1 << 32 * LIMBS) - 1)
    assert number_of(full * 2**20) == ((1 << 32 * LIMBS) - 1) << 20


def test_a_weight_of_one_is_one_unit_of_the_grid():
    assert units(1.0) == ONE == 1 << -GRID


def test_a_count_is_divided_exactly():
    parts = Count(units(0.1), 1, 2) + Count(units(0.2), 3, 4)
    assert Fraction(*parts.divisor("weights")) == Fraction(0.1) + Fraction(0.2)
    assert parts.divisor("items") == (4, 1)
    assert parts.divisor("batch") == (6, 1)
    assert Fraction(*parts.divisor(2.5)) == Fraction(5, 2)
    assert Count().divisor("weights") == (0, 1)
    assert number(parts.divisor("weights")) == 0.30000000000000004
    assert type(number((12, 4))) is int


def test_the_nearest_power_of_two_is_a_power_of_two():
    for value in (1e-300, 1e-9, 0.7, 1.0, 3.0, 1e17):
        assert 0.7 < nearest_power(value) / value < 1.5
        assert np.frexp(nearest_power(value))[0] == 0.5
