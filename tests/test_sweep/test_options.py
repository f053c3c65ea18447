"""The options of a sweep: lists and ranges, defaults, what is refused, and the command that gives them again."""

import shlex

import pytest

from xent.cli import _parser
from xent.core.errors import OptionError
from xent.fit.optimizers import OPTIMIZERS
from xent.train.sweep_options import EXPONENTS, REDUCTIONS, SweepOptions, parse_numbers, parse_sizes, rate

ALL = SweepOptions(
    "a b.csv", target="kind", test="late.csv", rows=100, hidden=(8, 4), optimizer="adam", reduction=("sum",),
    batch_size=(1, 8), lr=(0.25, 1 / 3, 0.1), reach=(0.5, 0.07), seeds=2, seed=9, epochs=2.5, updates=11,
)  # fmt: skip


@pytest.mark.parametrize("options", [SweepOptions(), ALL])
def test_the_command_gives_the_options_again(options):
    words = shlex.split(options.command())
    given = vars(_parser().parse_args(words[1:]))
    for name in ("command", "run", "json"):
        given.pop(name)
    assert SweepOptions(**given) == options
    assert SweepOptions.from_settings(options.settings()) == options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": 1}, "--rows is 1: it must be a whole number above 1."),
        ({"hidden": (8, 0)}, "--hidden is 8,0: it must be whole numbers above 0, or 0 alone."),
        ({"optimizer": "lion"}, "--optimizer is lion: it must be sgd | momentum | adam."),
        ({"reduction": ("mean", "max")}, "--reduction is mean,max: it must be mean, sum, or mean,sum."),
        ({"reduction": ("mean", "mean")}, "--reduction is mean,mean: it must be mean, sum, or mean,sum."),
        ({"batch_size": (1, 0)}, "--batch-size is 1,0: it must be different numbers above 0."),
        ({"lr": (0.1, 0.1)}, "--lr is 0.1,0.1: it must be different numbers above 0."),
        ({"lr": (float("inf"),)}, "--lr is inf: it must be different numbers above 0."),
        ({"lr": (float("nan"),)}, "--lr is nan: it must be different numbers above 0."),
        ({"reach": (-0.5,)}, "--reach is -0.5: it must be different numbers above 0."),
        ({"seeds": 0}, "--seeds is 0: it must be a whole number above 0."),
        ({"updates": 0}, "--updates is 0: it must be a whole number above 0."),
        ({"epochs": 0.0}, "--epochs is 0: it must be a number above 0."),
        ({"seed": -1}, "--seed is -1: it must be a whole number from 0 to 2**63 - 1."),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(OptionError) as error:
        SweepOptions(**given)
    assert str(error.value) == message


@pytest.mark.parametrize("text", ["", "1,,2", "a", "1/0", "4..1", "0..4", "1..1e99", "-1..4", "nan..4", "1e999"])
def test_what_is_no_list_of_numbers_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_numbers(text)


def test_sizes_are_whole():
    with pytest.raises(ValueError, match=r"^'1,2\.5' has a number that is not whole$"):
        parse_sizes("1,2.5")


def test_every_optimizer_has_a_grid_for_each_reduction():
    assert set(EXPONENTS) == {(o, r) for o in OPTIMIZERS for r in REDUCTIONS}
    assert SweepOptions(lr=(4.0, 1.0)).first_lrs("sum") == (1.0, 4.0)


@pytest.mark.parametrize("value", [2.0**k for k in range(-70, 71)] + [0.1, 1 / 3, 5e-324, 1e300, 0.7, 3.0])
def test_a_rate_in_words_is_the_number(value):
    assert parse_numbers(rate(value)) == (value,)
