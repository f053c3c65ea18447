"""The split: every row once, classes in the same shares, no class without a training row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent.core.errors import DataError
from xent.train.split import stratified

some_labels = st.lists(st.integers(0, 5), min_size=40, max_size=300).map(np.array)


@given(labels=some_labels, seed=st.integers(0, 2**32))
def test_every_row_has_one_place_and_every_class_a_training_row(labels, seed):
    part = stratified(labels, seed)

    assert sorted(np.concatenate(part).tolist()) == list(range(len(labels)))
    assert set(labels[part.train]) == set(labels)
    assert [len(part.validation), len(part.test)] == [round(0.15 * len(labels))] * 2


@given(labels=some_labels, seed=st.integers(0, 2**32))
def test_shares_are_the_same_in_every_class_up_to_the_row_that_is_kept_for_training(labels, seed):
    part = stratified(labels, seed)
    held = np.concatenate([part.validation, part.test])
    for rows, all_held in ((part.validation, held), (part.test, held)):
        for c in set(labels):
            share = len(held) / (len(labels) - len(set(labels)))
            free = int((labels == c).sum()) - 1
            assert abs(int((labels[all_held] == c).sum()) - share * free) <= 1 + 1e-9
            assert abs(int((labels[rows] == c).sum()) - 0.5 * int((labels[all_held] == c).sum())) <= 1.5


def test_a_plain_random_split_would_be_seen():
    labels = np.repeat([0, 1], [180, 20])
    counts = [int((labels[np.random.default_rng(seed).permutation(200)[:30]] == 1).sum()) for seed in range(50)]
    ours = [int((labels[stratified(labels, seed).test] == 1).sum()) for seed in range(50)]

    assert set(ours) <= {2, 3}
    assert max(counts) >= 5


def test_the_seed_decides():
    labels = np.arange(200) % 4

    assert [p.tolist() for p in stratified(labels, 3)] == [p.tolist() for p in stratified(labels, 3)]
    assert len({stratified(labels, seed).test.tobytes() for seed in range(20)}) == 20


def test_every_row_of_a_class_is_tested_about_as_often_as_any_other():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    tested = np.bincount(np.concatenate([stratified(labels, seed).test for seed in range(600)]), minlength=100)
    for c in range(3):
        counts = tested[labels == c]
        assert np.abs(counts - counts.mean()).max() < 5 * counts.mean() ** 0.5
        assert 60 < counts.mean() < 150  # 90 if a class could be cut anywhere


def test_a_class_with_one_row_trains():
    labels = np.append(np.zeros(60, int), 1)

    assert 60 in stratified(labels, 0).train


@pytest.mark.parametrize(
    ("labels", "test", "message"),
    [
        (
            [0, 1, 0],
            0.15,
            (
                "3 rows of 2 classes are too few: beside one of each class for training,\n"
                "  15% of all are needed for validation, as many for the test."
            ),
        ),
        (
            [0, 1, 0],
            0.0,
            (
                "3 rows of 2 classes are too few: beside one of each class for training,\n"
                "  15% of all are needed for validation."
            ),
        ),
        (
            list(range(50)),
            0.15,
            (
                "50 rows of 50 classes are too few: beside one of each class for training,\n"
                "  15% of all are needed for validation, as many for the test."
            ),
        ),
    ],
)
def test_too_few_rows_are_refused(labels, test, message):
    with pytest.raises(DataError) as error:
        stratified(np.array(labels), 0, test=test)

    assert str(error.value) == message
