"""count_targets: what the mean is divided by, before there are any logits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import xent
from xent.torch import count_targets

INDICES = torch.tensor([[3, 1, -100], [0, -100, -100]])


def test_it_counts_what_is_not_ignored():
    assert count_targets(INDICES) == 3
    assert isinstance(count_targets(INDICES), int)
    assert count_targets(torch.tensor([0, 1, 2], dtype=torch.uint8), ignore_index=None) == 3
    assert count_targets(torch.tensor([0, 1, 255], dtype=torch.uint8), ignore_index=255) == 2


def test_it_counts_by_every_rule():
    weight, samples = torch.tensor([1.0, 0.5, 9.0, 0.0]), torch.ones(2, 3)
    samples[1, 0] = 0.25
    rules = {"weights": 0.5 + 0.25, "items": 3, "batch": 6, None: 0.75}
    for rule, right in rules.items():
        assert count_targets(INDICES, weight=weight, sample_weight=samples, denominator=rule) == right


def test_several_batches_add_up_exactly():
    weight = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    batches = [torch.tensor([0, 1]), torch.tensor([2, 2, 2]), torch.tensor([], dtype=torch.int64)]
    together = torch.tensor([0, 1, 2, 2, 2])
    assert count_targets(batches, weight=weight) == count_targets(together, weight=weight) == 1.2
    assert count_targets(iter(batches)) == 5
    assert count_targets([]) == 0


def test_a_shift_leaves_out_the_labels_that_no_logit_predicts():
    assert count_targets(INDICES, shift=1) == 1
    assert count_targets(INDICES, shift=1, sample_weight=torch.full((2, 3), 0.5)) == 0.5


def test_batches_say_where_their_targets_are():
    batch = {"input_ids": torch.ones(2, 3), "labels": INDICES}
    assert count_targets(batch, key="labels") == 3
    assert count_targets([batch, batch], key="labels") == 6
    assert count_targets((torch.ones(2), INDICES), key=1) == 3
    assert count_targets([(torch.ones(2), INDICES)], key=lambda pair: pair[1]) == 3


def test_probability_rows_count_as_pytorch_counts_them_unless_asked():
    q = torch.tensor([[0.5, 0.5], [0.0, 2.0], [0.0, 0.0]])
    assert count_targets(q) == 3
    assert count_targets(q, denominator="weights") == 3.0
    assert count_targets(q, weight=torch.tensor([2.0, 1.0]), denominator="weights") == 3.5
    assert count_targets(q.T.reshape(1, 2, 3)) == 3
    assert count_targets(torch.tensor([0.5, 0.5])) == 1


@settings(deadline=None, max_examples=40, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1), weighted=st.booleans(), sampled=st.booleans(), soft=st.booleans())
def test_it_is_what_the_loss_divides_by(seed, weighted, sampled, soft):
    rng = np.random.default_rng(seed)
    n, v = int(rng.integers(0, 9)), int(rng.integers(1, 6))
    targets = rng.dirichlet(np.ones(v), n) if soft else np.where(rng.random(n) < 0.3, -100, rng.integers(0, v, n))
    options = {}
    if weighted:
        options["weight"] = rng.choice([0.0, 0.1, 0.7, 3.0], v)
    if sampled:
        options["sample_weight"] = rng.choice([0.0, 0.3, 1.0], n)
    given_here = {name: torch.from_numpy(array) for name, array in options.items()}
    logits = rng.normal(size=(n, v))
    total = xent.total(logits, targets, **options)
    assert count_targets(torch.from_numpy(targets), denominator="weights", **given_here) == total.denominator


ERRORS = [
    (
        {"batches": torch.tensor([[0, -1]])},
        xent.TargetError,
        (
            "1 of 2 targets is negative, first targets[0, 1] = -1: a class index is >= 0 or equals "
            "ignore_index (-100).\n"
            "  If -1 marks padding, pass ignore_index=-1."
        ),
    ),
    (
        {"batches": torch.tensor([0, 3, 5]), "weight": torch.ones(3)},
        xent.TargetError,
        (
            "2 of 3 targets are out of range, first targets[1] = 3: with 3 classes a target must lie in [0, 2] or "
            "equal ignore_index (-100).\n  If 3 marks padding, pass ignore_index=3."
        ),
    ),
    (
        {"batches": (torch.ones(2), torch.tensor([0]))},
        xent.KindError,
        (
            "batches is a tuple, which may be one batch (inputs, targets) or several: it must be a tensor of targets "
            "or a list.\n  One batch: count_targets(batch[1]). Several: count_targets(list(batches))."
        ),
    ),
    (
        {"batches": [torch.ones(2, 2), torch.tensor([0])]},
        xent.KindError,
        (
            "some targets are integers, some are floats: class indices and probability rows are not counted together.\n"
            "  If a batch is (inputs, targets), pass key=1."
        ),
    ),
    (
        {"batches": {"labels": INDICES}},
        xent.KindError,
        (
            "batches is a dict, {'labels': tensor([[   3,    1, -100],\n        [   0, -10...: it must be a tensor of "
            "targets.\n"
            "  Say where its targets are: key=1 for (inputs, targets), key='labels' for a dictionary."
        ),
    ),
    ({"batches": torch.tensor([True])}, xent.KindError, None),
    (
        {"batches": INDICES, "shift": -1},
        xent.OptionError,
        "shift is -1: it must be a whole number >= 0.",
    ),
    (
        {"batches": INDICES, "denominator": "rows"},
        xent.OptionError,
        "denominator is 'rows': it must be one of 'weights', 'items', 'batch'.",
    ),
    (
        {"batches": INDICES, "sample_weight": [torch.ones(2, 3)] * 2},
        xent.ShapeError,
        "sample_weight has 2 parts, and there are 1 batches.",
    ),
    (
        {"batches": torch.tensor([0, 1]), "sample_weight": torch.tensor([1.0, -1.0])},
        xent.OptionError,
        "sample_weight[1] = -1.0: the sum of negative weights is no denominator.",
    ),
    ({"batches": torch.tensor([[0.5, -0.5]])}, xent.TargetError, None),
]


@pytest.mark.parametrize(("given_here", "kind", "text"), ERRORS, ids=range(len(ERRORS)))
def test_bad_input_says_what_and_where(given_here, kind, text):
    with pytest.raises(kind) as raised:
        count_targets(**given_here)
    if text is not None:
        assert str(raised.value) == text
