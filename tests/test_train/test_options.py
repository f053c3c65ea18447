"""Options: every bad value is named with what is allowed; the command and the settings give the options again."""

import shlex

import pytest

from xent.cli import _parser
from xent.core.errors import OptionError
from xent.train.options import Options
from xent.train.session import command

NAMES = "weights | items | batch | a number above 0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": (64, 0)}, "--hidden is 64,0: it must be whole numbers above 0, or 0 alone."),
        ({"optimizer": "lion"}, "--optimizer is lion: it must be sgd | momentum | adam."),
        ({"lr": 0.0}, "--lr is 0.0: it must be a number above 0."),
        ({"lr": float("nan")}, "--lr is nan: it must be a number above 0."),
        ({"lr": float("inf")}, "--lr is inf: it must be a number above 0."),
        ({"batch_size": 0}, "--batch-size is 0: it must be a whole number above 0."),
        ({"epochs": -1}, "--epochs is -1: it must be a whole number above 0."),
        ({"patience": 0}, "--patience is 0: it must be a whole number above 0."),
        ({"micro_batches": 0}, "--micro-batches is 0: it must be a whole number above 0."),
        ({"reduction": "none"}, "--reduction is none: it must be mean | sum."),
        ({"denominator": "rows"}, f"--denominator is rows: it must be {NAMES}."),
        ({"denominator": 0.0}, f"--denominator is 0.0: it must be {NAMES}."),
        ({"denominator": -3.0}, f"--denominator is -3.0: it must be {NAMES}."),
        ({"denominator": float("nan")}, f"--denominator is nan: it must be {NAMES}."),
        (
            {"denominator": 64.0, "reduction": "sum"},
            "--denominator goes with --reduction mean only: a sum is not divided.",
        ),
        ({"label_smoothing": 1.5}, "--label-smoothing is 1.5: it must be a number from 0 to 1."),
        ({"label_smoothing": float("nan")}, "--label-smoothing is nan: it must be a number from 0 to 1."),
        ({"class_weight": "equal"}, "--class-weight is equal: it must be balanced."),
        ({"seed": -1}, "--seed is -1: it must be a whole number from 0 to 2**63 - 1."),
    ],
)
def test_a_value_that_is_not_allowed_is_named(options, message):
    with pytest.raises(OptionError) as error:
        Options(**options)

    assert str(error.value) == message


SOME = [
    Options(),
    Options("a b.csv", target="it's", hidden=(), lr=0.001, seed=7),
    Options("text", hidden=(32, 16), optimizer="sgd", micro_batches=4, denominator="batch", epochs=3),
    Options("iris", reduction="sum", label_smoothing=0.1, class_weight="balanced", batch_size=8, patience=3),
    Options("x.npz", denominator=64.0, test="late.npz", optimizer="momentum", lr=1.0),
]


@pytest.mark.parametrize("options", SOME, ids=str)
def test_the_command_gives_the_same_options(options):
    resolved = options.resolved("text" if options.data == "text" else "table")
    words = shlex.split(command(resolved))
    parsed = vars(_parser().parse_args(words[1:]))
    again = Options(**{k: v for k, v in parsed.items() if k in Options.__slots__})

    assert words[:2] == ["xent", "train"]
    assert again.resolved("text" if options.data == "text" else "table") == resolved


def test_the_command_leaves_defaults_out():
    assert command(Options().resolved("table")) == "xent train digits"
    assert command(Options("text", lr=0.005, epochs=10).resolved("text")) == "xent train text"
    assert command(Options(lr=0.01).resolved("table")) == "xent train digits --lr 0.01"


@pytest.mark.parametrize("options", SOME, ids=str)
def test_settings_give_the_same_options(options):
    assert Options.from_settings(options.settings()) == options


def test_other_settings_are_refused():
    settings = {**Options().settings(), "momentum": 1}
    with pytest.raises(OptionError, match=r"^the settings of the run are damaged: "):
        Options.from_settings(settings)
