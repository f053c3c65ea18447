"""GradientAccumulator and count_targets over ranks: DDP, FSDP2, by hand; errors on all ranks."""

import numpy as np
import pytest
import torch

import xent
from tests.test_ranks import cases
from xent.torch import count_targets

RNG = np.random.default_rng(4)
INPUTS = RNG.normal(size=(24, 3))
TARGETS = RNG.integers(0, 5, 24)
TARGETS[RNG.random(24) < 0.4] = -100
# rows of every micro-batch on every rank
CUTS = {
    1: [[6, 12, 6]],
    2: [[6, 2], [9, 7]],
    3: [[5, 3], [0, 1], [7, 8]],
    4: [[1, 4], [2, 3], [0, 0], [13, 1]],
}


def cut(array, ranks):
    """The micro-batches of every rank."""
    ends = np.cumsum([rows for rank in CUTS[ranks] for rows in rank])
    pieces = iter(np.split(array, ends[:-1]))
    return [[next(pieces) for _ in rank] for rank in CUTS[ranks]]


def whole_step(**options):
    """Loss and gradients of the whole step in one process."""
    model = cases.net()
    logits = model(torch.from_numpy(INPUTS))
    loss, grad = xent.value_and_grad(logits.detach().numpy(), TARGETS, **options)
    logits.backward(torch.from_numpy(grad))
    return float(loss), cases.gradients(model)


@pytest.mark.parametrize("ranks", CUTS)
@pytest.mark.parametrize("how", ["ddp", "no_sync", "fsdp", "hand"])
def test_a_step_over_ranks_is_the_step(world, ranks, how):
    loss, grads = whole_step()
    answers = world.run(ranks, cases.accumulated, cut(INPUTS, ranks), cut(TARGETS, ranks), how)
    check(answers, [loss], grads)


@pytest.mark.parametrize("how", ["ddp", "hand"])
def test_weights_smoothing_and_later_steps(world, how):
    options = {"weight": np.array([1.0, 0.3, 2.0, 0.5, 0.7]), "label_smoothing": 0.1}
    loss, grads = whole_step(**options)
    answers = world.run(3, cases.accumulated, cut(INPUTS, 3), cut(TARGETS, 3), how, steps=2, **options)
    check(answers, [loss, loss], grads)


def check(answers, losses, grads):
    """Every rank has the losses and the gradients."""
    assert not [a for a in answers if isinstance(a, cases.Raised)]
    for found, found_grads in answers:
        assert found == answers[0][0]
        np.testing.assert_allclose(found, losses, rtol=1e-14)
        for a, b in zip(found_grads, grads, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-16)


def test_a_rank_without_any_micro_batch_adds_nothing(world):
    inputs, targets = [[INPUTS[:10], INPUTS[10:]], []], [[TARGETS[:10], TARGETS[10:]], []]
    answers = world.run(2, cases.accumulated, inputs, targets, "hand")
    loss, grads = whole_step()
    check(answers, [loss], grads)


def test_where_no_rank_had_a_micro_batch_there_is_nothing_to_divide(world):
    answers = world.run(2, cases.accumulated, [[], []], [[], []], "hand")
    assert [a.kind for a in answers] == ["StateError"] * 2
    assert answers[0].text.startswith("divide was called without a backward since the last divide")


def test_a_bad_label_is_raised_by_divide_on_every_rank_and_no_rank_waits(world):
    bad = cut(TARGETS, 2)
    bad[1][0] = np.full_like(bad[1][0], 77)
    answers = world.run(2, cases.bad_micro_batch, cut(INPUTS, 2), bad)
    assert len({a.text for a in answers}) == 1
    assert answers[0].text.startswith("rank 1 of 2: 9 of 9 targets are out of range, first target")


def test_without_a_group_what_promises_a_count_of_the_step_raises(world):
    text = (
        "group is None, and there are 4 ranks: the count of one rank is not that of the step.\n"
        "  Pass the group over which gradients are combined, such as group=torch.distributed.group.WORLD."
    )
    assert world.run(2, cases.without_group) == [[text, text]] * 2


def test_targets_are_counted_over_the_ranks(world):
    weight = np.array([0.1, 0.3, 2.0, 0.5, 0.7])
    for options in ({}, {"weight": weight}, {"denominator": "batch"}):
        right = count_targets(torch.from_numpy(TARGETS), **cases.tensors(options))
        assert world.run(4, cases.counted_over, cut(TARGETS, 4), **options) == [right] * 4
    assert world.run(2, cases.counted_over, [[], [np.array([1, -100])]]) == [1, 1]
    called = world.run(2, cases.collectives, cases.counted_over, cut(TARGETS, 2))
    assert called == [["all_reduce"]] * 2


def test_a_bad_label_is_counted_nowhere(world):
    answers = world.run(2, cases.counted_over, [[np.array([1])], [np.array([1, -7])]])
    assert {a.text.split(":")[0] for a in answers} == {"rank 1 of 2"}
    assert {a.kind for a in answers} == {"TargetError"}


def test_a_wrong_group_is_refused(world):
    answers = world.run(4, cases.wrong_groups)
    for rank, (text, mesh, alone, other, count) in enumerate(answers):
        assert text == (
            "group is a str, 'world': it must be a torch.distributed.ProcessGroup, or a DeviceMesh of one dimension.\n"
            "  All ranks: group=torch.distributed.group.WORLD."
        )
        assert mesh == (
            "group is a device mesh of 2 dimensions ('data', 'model'): it must be one of them.\n"
            "  For example group=mesh['data']."
        )
        assert (
            alone == "nothing"
            if rank == 0
            else (
                f"this process (rank {rank}) is no member of the group that was given.\n"
                "  Pass the group that this rank is in; new_group returns it to its members only."
            )
        )
        ranks = [0, 2] if rank % 2 == 0 else [1, 3]
        assert other == (
            f"group has the ranks {ranks}, and the model averages its gradients over [0, 1, 2, 3].\n"
            "  Pass the same group to both."
        )
        assert count == 2
