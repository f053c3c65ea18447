"""What a run divided by, in words and numbers."""

import numpy as np
import pytest

from xent.train.dividing import divided, rule
from xent.train.options import Options
from xent.train.run import Divisor

SHORT_LAST = np.array([64.0] * 19 + [41.0])


def test_a_short_last_batch_weighs_more_and_the_advice_says_what_to_do():
    found = divided(Options(), "rows", SHORT_LAST, 41)

    assert found.divisors == (Divisor(64.0, 19), Divisor(41.0, 1))
    assert (found.lowest, found.median, found.highest, found.last, found.batches) == (41.0, 64.0, 64.0, 41, 20)
    assert found.ratio == 64 / 41
    assert (found.unit, found.advice) == ("rows", "--denominator 64 weighs all rows alike")


def test_a_fixed_denominator_weighs_all_alike_and_needs_no_advice():
    found = divided(Options(denominator=64), "rows", np.full(20, 64.0), 41)

    assert (found.ratio, found.advice, found.unit) == (1.0, "", "")


def test_many_divisors_are_a_range():
    found = divided(Options(), "tokens", np.arange(100.0, 150.0), 30)

    assert found.divisors == ()
    assert (found.lowest, found.median, found.highest) == (100.0, 124.5, 149.0)
    assert found.advice == "--denominator 124 weighs all tokens alike"


def test_class_weights_are_a_unit_of_their_own_and_not_to_be_evened_out():
    found = divided(Options(class_weight="balanced"), "rows", np.array([63.2, 40.9]), 41)

    assert (found.unit, found.advice) == ("weight", "")


def test_a_sum_is_divided_by_nothing():
    found = divided(Options(reduction="sum"), "rows", np.ones(20), 41)

    assert (found.ratio, found.advice, found.unit, found.divisors) == (1.0, "", "", (Divisor(1.0, 20),))


@pytest.mark.parametrize(
    ("options", "unit", "words"),
    [
        ({}, "rows", "each batch's loss is its mean: the sum over its rows / the rows that count"),
        (
            {},
            "tokens",
            "each batch's loss is its mean: the sum over its tokens / the tokens that count, padding left out",
        ),
        (
            {"denominator": "items"},
            "rows",
            ("each batch's loss is its mean: the sum over its rows / the rows that count, whatever they weigh"),
        ),
        (
            {"denominator": "batch"},
            "tokens",
            ("each batch's loss is its mean: the sum over its tokens / all its tokens, padding counted too"),
        ),
        ({"denominator": 64.0}, "rows", "each batch's loss is the sum over its rows / 64, whatever the batch holds"),
        (
            {"class_weight": "balanced"},
            "rows",
            ("each batch's loss is its mean: the sum over its rows / the class weights of the rows that count"),
        ),
        ({"reduction": "sum"}, "rows", "each batch's loss is the sum over its rows, and is not divided"),
    ],
)
def test_the_rule_is_one_line(options, unit, words):
    assert rule(Options(**options), unit) == words
