"""The report's picture of the division: two of the run's own rows, its own divisor; nothing where it would not hold."""

import dataclasses
import re

import pytest

from tests.test_train import example_runs
from xent.train.divided_graph import divided_graph

RUN = example_runs.digits()
WORST, DIVIDED = RUN.test.worst, RUN.divided


def picture(worst=WORST, divided=DIVIDED, size=64.0, smoothing=0.0):
    return divided_graph(worst, divided, size, smoothing=smoothing, unit="row")


def test_it_shows_the_runs_own_probabilities_and_divisor():
    drawn = picture()
    assert f"{WORST[0].probability:.4f}" in drawn
    assert "÷ 64" in drawn
    assert "1/64" in drawn
    gradient = (WORST[0].probability - 1.0) / 64.0
    assert f"{gradient:.4f}".replace("-", "−") in drawn
    assert re.search(r'role="img" aria-label="Graph of a batch', drawn)


@pytest.mark.parametrize(
    "changes",
    [
        {"worst": ()},
        {"worst": WORST[:1]},
        {"worst": tuple(dataclasses.replace(row, probability=0.0) for row in WORST)},
        {"worst": tuple(dataclasses.replace(row, probability=float("nan")) for row in WORST)},
        {"divided": dataclasses.replace(DIVIDED, reduction="sum")},
        {"divided": dataclasses.replace(DIVIDED, unit="weight")},
        {"smoothing": 0.1},
        {"size": float("nan")},
    ],
    ids=["no row", "one row", "infinite", "NaN", "sum", "weights", "smoothing", "no divisor"],
)
def test_there_is_none_where_it_would_not_hold(changes):
    assert picture(**changes) == ""
