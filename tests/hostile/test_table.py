"""The hostile table itself: every row is tested on every front end, or says why not."""

from importlib import import_module

import pytest

from tests.fronts import AS_OURS, FRONTS, TORCH
from tests.hostile import (
    test_infinite,
    test_labels,
    test_layouts,
    test_magnitudes,
    test_nothing_counts,
    test_probabilities,
    test_processes,
    test_weights,
)
from tests.hostile.table import ROWS, TESTED

MODULES = [
    test_nothing_counts,
    test_labels,
    test_infinite,
    test_probabilities,
    test_weights,
    test_magnitudes,
    test_layouts,
    test_processes,
]  # importing them is what fills TESTED
if TORCH in FRONTS:
    MODULES.append(import_module("tests.test_torch.test_hostile"))


@pytest.mark.parametrize("front", FRONTS, ids=str)
def test_every_row_of_the_table_is_tested_or_says_why_not(front):
    for name in ROWS:
        status = front.status(name)
        if status.startswith("not applicable: "):
            assert name not in TESTED[front.name], name
            assert len(status) > len("not applicable: ") + 10
        else:
            assert status == AS_OURS or status.startswith("follows ")
            assert name in TESTED[front.name], f"row {name} has no test on {front}"
    assert set(front.hostile) <= set(ROWS)
