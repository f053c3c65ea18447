"""The loss over ranks: the same bits on each, those of one process; errors on all ranks at once."""

import numpy as np
import pytest

import xent
from tests.test_ranks import cases
from tests.test_ranks.world import Raised

BATCH = np.random.default_rng(0).normal(0, 3, (12, 5)), np.array([0, 1, 2, 3, 4, -100, -100, 1, 2, 0, 4, 4])
CUTS = {1: [12], 2: [5, 12], 3: [2, 3, 12], 4: [0, 5, 7, 12]}  # where a rank's rows end; the first of four has none


def parts(array: np.ndarray, ranks: int) -> list[np.ndarray]:
    """The rows of every rank."""
    return np.split(array, CUTS[ranks][:-1])


@pytest.mark.parametrize("ranks", CUTS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_rank_has_the_loss_of_the_whole_and_its_own_rows_gradient(world, ranks, reduction):
    logits, targets = BATCH
    loss, grad = xent.value_and_grad(logits, targets, reduction=reduction)
    answers = world.run(ranks, cases.loss_over_ranks, parts(logits, ranks), parts(targets, ranks), reduction=reduction)
    assert [a[0] for a in answers] == [loss] * ranks
    np.testing.assert_array_equal(np.concatenate([a[1] for a in answers]), grad)


@pytest.mark.parametrize("ranks", CUTS)
def test_a_gradient_that_will_be_averaged_is_multiplied_by_the_ranks(world, ranks):
    logits, targets = BATCH
    answers = world.run(ranks, cases.loss_over_ranks, parts(logits, ranks), parts(targets, ranks), grad_reduce="mean")
    grad = xent.value_and_grad(logits, targets)[1]
    np.testing.assert_allclose(np.concatenate([a[1] for a in answers]), grad * ranks, rtol=4e-16, atol=0)


def test_where_no_rank_has_anything_to_count_the_mean_is_zero_on_every_rank(world):
    logits, targets = BATCH[0], np.full(12, -100)
    answers = world.run(3, cases.loss_over_ranks, parts(logits, 3), parts(targets, 3))
    assert [(float(loss), grad.any(), said) for loss, grad, said in answers] == [
        (0.0, False, ["EmptyBatchWarning"])
    ] * 3


def test_a_bad_label_on_one_rank_is_the_same_error_on_every_rank(world):
    logits, targets = BATCH[0], BATCH[1].copy()
    targets[7] = 5
    answers = world.run(3, cases.loss_over_ranks, parts(logits, 3), parts(targets, 3))
    assert {type(a) for a in answers} == {Raised}
    assert len({(a.kind, a.text) for a in answers}) == 1
    assert answers[0].text.startswith("rank 2 of 3: 1 of 9 targets is out of range, first target")
    assert "IndexError" in answers[0].trace or "Error" in answers[0].kind
    after = world.run(3, cases.loss_over_ranks, parts(BATCH[0], 3), parts(BATCH[1], 3))
    assert [a[0] for a in after] == [xent.cross_entropy(*BATCH)] * 3


def test_bad_labels_on_several_ranks_name_the_first_and_the_others(world):
    targets = np.full(12, 9)
    answers = world.run(4, cases.loss_over_ranks, parts(BATCH[0], 4), parts(targets, 4))
    assert len({a.text for a in answers}) == 1
    assert answers[0].text.startswith("rank 1 of 4: 5 of 5 targets are out of range")
    assert answers[0].text.endswith("\n  Ranks 2, 3 raised an error too.")


def test_a_call_costs_two_small_collectives_and_so_does_an_error(world):
    logits, targets = BATCH
    for given in ({}, {"reduction": "sum"}):
        called = world.run(2, cases.collectives, cases.loss_over_ranks, parts(logits, 2), parts(targets, 2), **given)
        assert called == [["all_reduce", "all_reduce"]] * 2
    bad = world.run(2, cases.collectives, cases.loss_over_ranks, parts(logits, 2), parts(np.full(12, 9), 2))
    assert bad == [["all_reduce", "all_gather", "raised"]] * 2


def test_different_options_on_different_ranks_are_refused_on_every_rank(world):
    answers = world.run(2, cases.loss_with_own_options, parts(BATCH[0], 2), parts(BATCH[1], 2), [0.0, 0.1])
    assert len({a.text for a in answers}) == 1
    assert answers[0].text.startswith("the ranks of the group were given different options: rank 0 reduction='mean'")
    assert "label_smoothing=0.0" in answers[0].text
    assert "label_smoothing=0.1" in answers[0].text


def test_losses_of_rows_stay_on_their_rank(world):
    answers = world.run(2, cases.loss_over_ranks, parts(BATCH[0], 2), parts(BATCH[1], 2), reduction="none")
    text = (
        'reduction is \'none\': it must be "mean" or "sum" with a group.\n'
        "  Losses of rows stay on their rank: leave group out."
    )
    assert [a.text for a in answers] == [text] * 2
