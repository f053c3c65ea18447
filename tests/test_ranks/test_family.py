"""One step, cut every way: micro-batches × ranks × vocabulary shards × padding × weights × smoothing.

Given the same logits, loss and gradients are those of one process: to the bit over micro-batches and ranks, within the
bounds of a cut row over shards. A test of it is believed because every well-known mistake fails it.
"""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_ranks import cases, ways
from xent.torch import cross_entropy

GRIDS = [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (1, 4), (2, 2)]
EXAMPLES = 24


@dataclasses.dataclass(frozen=True)
class Step:
    """A step, and how it is cut."""

    grid: tuple[int, int]  # ranks that share the rows, ranks that share the classes
    logits: np.ndarray
    targets: np.ndarray
    cuts: list[list[tuple[int, int]]]  # of every rank of rows: where its micro-batches begin and end
    shards: list[int]  # where the shards begin, but the first
    options: dict


def step_of(seed: int, grid: tuple[int, int] | None = None) -> Step:
    """A step from a seed."""
    rng = np.random.default_rng(seed)
    grid = GRIDS[rng.integers(len(GRIDS))] if grid is None else grid
    ranks, shards = grid
    micro_batches = int(rng.integers(1, 5))
    sizes = rng.integers(0, 5, ranks * micro_batches)
    n, v = int(sizes.sum()), int(rng.integers(2, 9))
    ends = np.cumsum([0, *sizes])
    pairs = list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    logits = rng.normal(0, rng.choice([1.0, 5.0]), (n, v))
    targets = rng.integers(0, v, n)
    targets[rng.random(n) < rng.choice([0.0, 0.3, 0.8])] = -100
    options = {}
    if rng.random() < 0.5:
        options["weight"] = rng.choice([0.1, 0.7, 1.0, 2.5], v)
    if rng.random() < 0.5:
        options["label_smoothing"] = 0.1
    cuts = [pairs[r * micro_batches : (r + 1) * micro_batches] for r in range(ranks)]
    return Step(grid, logits, targets, cuts, sorted(rng.integers(0, v + 1, shards - 1).tolist()), options)


def run(world, step, way=ways.RIGHT, **mutated):
    """What every rank has."""
    ranks, shards = step.grid
    arrays = step.logits, step.targets, step.cuts, step.shards
    return world.run(ranks * shards, cases.whole_step, step.grid, way, *arrays, **step.options, **mutated)


def check(step, answers):
    """Loss and gradients are those of one process."""
    assert not [a for a in answers if isinstance(a, cases.Raised)], answers
    x = torch.from_numpy(step.logits).requires_grad_()
    options = cases.tensors(step.options)
    targets = torch.from_numpy(step.targets)
    if not (step.targets != -100).any():
        assert all(not grad.any() for answer in answers for _, grad in answer["parts"])
        return
    right = cross_entropy(x, targets, **options)
    right.backward()
    ranks, shards = step.grid
    by_rank = [answers[r * shards : (r + 1) * shards] for r in range(ranks)]
    parts = [
        np.concatenate([shard["parts"][k][1] for shard in rank], axis=1)
        for rank in by_rank
        for k in range(len(rank[0]["parts"]))
    ]
    grad = np.concatenate(parts)
    loss = sum(part[0] for rank in by_rank for part in rank[0]["parts"])
    np.testing.assert_allclose(loss, right.item(), rtol=1e-14)
    if shards == 1:
        np.testing.assert_array_equal(grad, x.grad.numpy())
        assert [answer["step"] for answer in answers] == [right.item()] * ranks
        assert [answer["call"][0] for answer in answers] == [right.item()] * ranks
        np.testing.assert_array_equal(np.concatenate([answer["call"][1] for answer in answers]), x.grad.numpy())
    else:
        assert all(part[0] == other[0] for rank in by_rank for shard in rank[1:]
                   for part, other in zip(rank[0]["parts"], shard["parts"], strict=True))  # fmt: skip
        np.testing.assert_allclose(grad, x.grad.numpy(), rtol=1e-12, atol=1e-16)


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_step_is_the_same_however_it_is_cut(world, grid, seed):
    step = step_of(seed, grid)
    check(step, run(world, step))


@pytest.mark.parametrize("way", ways.WRONG, ids=lambda way: way.__name__)
def test_a_well_known_mistake_is_seen(world, way):
    assert seen(world, [(2, 1), (3, 1)], way=way)


def test_smoothing_over_the_classes_of_a_shard_alone_is_seen(world):
    assert seen(world, [(1, 2), (2, 2)], local_smoothing=True)


def seen(world, grids, **mutated):
    """Whether one of some steps shows it."""
    for seed in range(12):
        step = step_of(seed, grids[seed % len(grids)])
        answers = run(world, step, **mutated)
        assert not [a for a in answers if isinstance(a, cases.Raised)], answers  # a mistake that nobody reports
        try:
            check(step, answers)
        except AssertionError:
            return True
    return False
