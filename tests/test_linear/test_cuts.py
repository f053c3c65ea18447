"""How a call is cut: the plan keeps to its limit for any shape, and halves are never rounded twice."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.registry import SETTINGS, settings
from xent._linear import door
from xent._linear.cuts import DEFAULT, Costs, cut, even, ranges, tile_bytes
from xent.core.errors import OptionError
from xent.core.spec import Spec

SIZES = st.integers(1, 10**6)


def problem_of(rows, width, classes, max_bytes):
    """A call of any size, by arrays that hold nothing."""
    small = door.receive(np.zeros((1, 1)), np.zeros((2, 1)), [0], None, None, None, Spec(), None, 0, None)
    weight = np.broadcast_to(np.zeros(()), (classes, width))
    index = np.broadcast_to(np.zeros((), np.int64), (rows,))
    return replace(small, weight=weight, batch=replace(small.batch, index=index), max_bytes=max_bytes)


@st.composite
def calls(draw):
    rows, width, classes = draw(SIZES), draw(st.integers(1, 10**4)), draw(SIZES)
    item = draw(st.sampled_from([4, 8]))
    line = width * item
    half = draw(st.booleans())
    costs = Costs(
        item=item,
        hidden=draw(st.sampled_from([0, line + line // 2])),
        targets=draw(st.sampled_from([0, classes * 4])),
        d_hidden=line if half else draw(st.sampled_from([0, line])),
        d_weight=line if half else 0,
        weight=line + line // 2 if half else 0,
        line=line,
        fixed=draw(st.integers(0, 2**24)),
    )
    limit = draw(st.none() | st.integers(1, 2**34))
    return problem_of(rows, width, classes, limit), costs, draw(st.booleans())


@settings(**SETTINGS, max_examples=300)
@given(call=calls())
def test_every_cut_keeps_to_the_limit(call):
    problem, costs, gradient = call
    try:
        found = cut(problem, costs, gradient=gradient)
    except OptionError:
        assert problem.max_bytes is not None
        return
    assert 1 <= found.rows <= problem.rows
    assert 1 <= found.classes <= problem.classes
    needed = tile_bytes(costs, found) if found.tiles else 0
    if not found.tiles:
        needed = costs.fixed + found.room * (2 if costs.weight else 1)
        needed += found.rows * (problem.classes * costs.item + costs.targets + costs.hidden + costs.d_hidden)
    smallest = tile_bytes(costs, replace(found, rows=1, classes=1, room=costs.line, hidden=1))
    assert needed <= (problem.max_bytes or max(DEFAULT, 2 * smallest))
    if gradient and costs.d_weight and not found.tiles:
        assert found.rows == problem.rows  # else d_weight of halves would be rounded with every part


def test_parts_are_of_equal_size():
    assert [hi - lo for lo, hi in ranges(1024, even(1024, 1000))] == [512, 512]


@pytest.mark.parametrize("max_bytes", [None, 64 * 2**20])
def test_a_language_model_is_cut_into_whole_rows(max_bytes):
    item = 4
    costs = Costs(item, 0, 0, 0, 0, 0, 2048 * item, 10 * 2**20)
    found = cut(problem_of(1024, 2048, 128000, max_bytes), costs, gradient=True)
    assert not found.tiles
    assert found.rows >= (256 if max_bytes is None else 96)
