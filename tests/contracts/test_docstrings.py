"""What a public docstring has to say: every argument, what comes back, the errors, the error bound, an example."""

import functools
import inspect
import re

import pytest

import xent
import xent.book

FUNCTIONS = [
    "xent.cross_entropy",
    "xent.value_and_grad",
    "xent.total",
    "xent.linear_cross_entropy",
    "xent.linear_value_and_grad",
    "xent.explain",
    "xent.load",
    "xent.book.softmax",
    "xent.book.cross_entropy_error",
    "xent.book.softmax_loss",
    "xent.book.install",
    "xent.book.compare",
    "xent.SoftmaxWithLoss.forward",
    "xent.SoftmaxWithLoss.backward",
]
NUMERICAL = [*FUNCTIONS[:5], "xent.book.softmax", "xent.book.softmax_loss"]
CLASSES = ["xent.SoftmaxWithLoss", "xent.book.TimeSoftmaxWithLoss", "xent.Total"]


def found(name: str):
    """The object of a dotted name."""
    return functools.reduce(getattr, name.split(".")[1:], xent)


def unmentioned(function) -> list[str]:
    """The arguments that a docstring neither has an entry for (`name  text`, `name: text`) nor names in backquotes."""
    text = inspect.getdoc(function) or ""
    names = [name for name in inspect.signature(function).parameters if name not in {"self", "args", "kwargs"}]
    entry = r"(?m)`{0}`|^ *(?:[\w*]+, )*{0}(?:, [\w*]+)*(?::|  +)"
    return [name for name in names if not re.search(entry.format(name), text)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_described(name):
    assert unmentioned(found(name)) == []


def test_a_missing_argument_would_be_seen():
    def f(logits, weight=None):
        """Do it.

        logits   (N, V) floats. Read.
        """

    assert unmentioned(f) == ["weight"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_first_line_is_a_sentence_of_its_own(name):
    lines = inspect.getdoc(found(name)).splitlines()
    assert lines[0].endswith((".", ":"))
    assert lines[1:2] in ([], [""])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_says_which_errors_are_raised_or_has_none(name):
    text = inspect.getdoc(found(name))
    assert re.search(r"(Error|Warning)\b", text) or name == "xent.book.compare"


@pytest.mark.parametrize("name", [*NUMERICAL, *CLASSES])
def test_a_numerical_one_states_its_error_and_the_test_that_measures_it(name):
    text = inspect.getdoc(found(name))
    assert re.search(r"(?m)^Error\b|\b[Ee]xact", text)
    assert "tests/" in text or "exact" in text.lower()


@pytest.mark.parametrize("name", [*NUMERICAL, *CLASSES])
def test_it_has_an_example(name):
    assert ">>> " in inspect.getdoc(found(name))
