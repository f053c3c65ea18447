"""Batches: every example once an epoch, an order that (seed, epoch) fixes, padding that nobody reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent.fit.examples import IGNORED, Rows, Sequences, batches, pieces

some_lengths = st.lists(st.integers(1, 9), min_size=1, max_size=20)


def texts(lengths: list[int]) -> Sequences:
    """Sequences of these lengths, whose targets are 0, 1, 2, … over all of them."""
    ends = np.cumsum(lengths)
    targets = [np.arange(end - n, end) for n, end in zip(lengths, ends, strict=True)]
    return Sequences([np.stack([t + 1, t + 2], axis=1) for t in targets], targets)


@given(count=st.integers(1, 300), size=st.integers(1, 320), seed=st.integers(0, 2**63 - 1), epoch=st.integers(1, 10**6))
def test_every_example_is_in_one_batch_and_all_but_the_last_are_full(count, size, seed, epoch):
    cut = batches(count, size, seed, epoch)

    assert sorted(np.concatenate(cut).tolist()) == list(range(count))
    assert {len(batch) for batch in cut[:-1]} <= {size}
    assert 1 <= len(cut[-1]) <= size


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return np.concatenate(batches(100, 7, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(seed, epoch)) for seed in range(5) for epoch in range(1, 6)}) == 25


@given(lengths=some_lengths, micro_batches=st.integers(1, 25))
def test_pieces_hold_the_targets_of_the_batch_in_order(lengths, micro_batches):
    examples = texts(lengths)
    inputs, targets = examples.take(np.arange(len(lengths)))
    cut = pieces(inputs, targets, micro_batches)

    assert len(cut) == min(micro_batches, len(lengths))
    assert np.concatenate([t[t != IGNORED] for _, t in cut]).tolist() == list(range(sum(lengths)))
    for x, t in cut:
        assert x.shape[:2] == t.shape
        assert micro_batches == 1 or (t != IGNORED).any(axis=0).all()
        np.testing.assert_array_equal(x[t != IGNORED][:, 0], t[t != IGNORED] + 1)


@given(lengths=some_lengths)
def test_padding_is_the_only_difference_between_a_batch_and_its_tokens(lengths):
    examples = texts(lengths)
    _, targets = examples.take(np.arange(len(lengths)))

    assert examples.size == sum(lengths) == int((targets != IGNORED).sum())
    assert targets.size == len(lengths) * max(lengths)
    np.testing.assert_array_equal(examples.flat()[1], np.arange(sum(lengths)))


def test_rows_are_taken_in_the_order_asked_for():
    examples = Rows(np.arange(8.0).reshape(4, 2), np.arange(4))
    inputs, targets = examples.take(np.array([3, 0]))

    assert (inputs.tolist(), targets.tolist()) == ([[6.0, 7.0], [0.0, 1.0]], [3, 0])
    assert (len(examples), examples.size) == (4, 4)


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_a_piece_of_rows_is_never_trimmed(micro_batches):
    cut = pieces(np.zeros((4, 3)), np.full(4, IGNORED), micro_batches)

    assert sum(len(t) for _, t in cut) == 4
