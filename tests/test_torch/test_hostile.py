"""The hostile table where xent.torch follows PyTorch: errors of its types, NaN means, its class axis."""

import math

import numpy as np
import pytest
import torch

import xent
import xent.torch
from tests.fronts import TORCH
from tests.hostile.table import GRAD, INF, LOSS, NAN, T, X, row
from tests.laws.bits import assert_same

LOGITS, LABELS = torch.from_numpy(X), torch.from_numpy(T)
LOSS_OF, THEIRS = xent.torch.cross_entropy, torch.nn.functional.cross_entropy


def both(logits, target, **options):
    """Loss and gradient."""
    leaf = logits.clone().requires_grad_()
    loss = LOSS_OF(leaf, target, **options)
    return loss.detach(), torch.autograd.grad(loss, leaf, torch.ones_like(loss))[0]


def refuse(kinds, text, logits, target, **options):
    """Raises an error of all these types, with exactly this text; PyTorch one of the last of them."""
    for loss in (LOSS_OF, lambda x, t, **o: xent.torch.CrossEntropyLoss(**o)(x, t)):
        with pytest.raises(kinds[0]) as caught:
            loss(logits, target, **options)
        assert str(caught.value) == text
        assert all(isinstance(caught.value, kind) for kind in kinds)
    with pytest.raises(kinds[-1]):
        THEIRS(logits, target, **options)


@row("1", "6", "9", "77", fronts=[TORCH])
def test_a_mean_over_nothing_is_nan_and_its_gradient_zero(front):
    for logits, labels in [
        (LOGITS, torch.tensor([-100, -100])),
        (torch.full((2, 3), NAN), torch.tensor([-100, -100])),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)),
        (torch.zeros(2, 0), torch.tensor([-100, -100])),
    ]:
        loss, grad = both(logits, labels)
        assert math.isnan(loss)
        assert math.isnan(THEIRS(logits, labels))
        assert grad.shape == logits.shape
        assert not grad.any()
        for given in ("weights", "items", 4):
            assert both(logits, labels, denominator=given)[0] == 0
    assert math.isnan(LOSS_OF(torch.zeros(2, 0), torch.zeros(2, 0)))


@row("8", fronts=[TORCH])
def test_no_classes(front):
    text = "input has shape (2, 0): the class axis must hold at least one class."
    refuse((xent.ShapeError, IndexError), text, torch.zeros(2, 0), torch.tensor([0, 0]))


@row("11", "12", "13", "14", fronts=[TORCH])
@pytest.mark.parametrize("label", [-1, 3, 2**31 + 1, -(2**63), 2**63 - 1])
def test_a_label_that_is_no_class(front, label):
    text = (
        f"1 of 2 targets is out of range, first target[1] = {label}: with 3 classes a target must lie in [0, 2] or "
        f"equal ignore_index (-100).\n  If {label} marks padding, pass ignore_index={label}."
    )
    refuse((xent.TargetError, ValueError, IndexError), text, LOGITS, torch.tensor([2, label]))


@row("15", "16", "17", "18", "19", fronts=[TORCH])
@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_of_every_integer_dtype(front, name):
    dtype = getattr(torch, name)
    loss, grad = both(LOGITS, LABELS.to(dtype))
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert grad.numpy() == pytest.approx(np.array(GRAD) / 2, rel=1e-15)
    limits = torch.iinfo(dtype)
    padded = torch.tensor([2, limits.max], dtype=dtype)
    loss, grad = both(LOGITS, padded, ignore_index=limits.max)
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert not grad[1].any()
    with pytest.raises(IndexError, match=rf"first target\[1\] = {limits.max}: with 3 classes"):
        LOSS_OF(LOGITS, padded)
    for beyond in (limits.max + 1, limits.min - 1):
        text = (
            f"ignore_index is {beyond}: it must be None, -100 or a value of the target's dtype {dtype} in "
            f"[{limits.min}, {limits.max}]."
        )
        with pytest.raises(xent.OptionError) as caught:
            LOSS_OF(LOGITS, LABELS.to(dtype), ignore_index=beyond)
        assert str(caught.value) == text


def kind(dtype, hint="") -> str:
    return (
        f"target has dtype {dtype}: it must be an integer dtype for class indices, or floats of the input's shape for "
        f"probabilities.{hint}"
    )


@row("20", "21", "22", fronts=[TORCH])
def test_labels_that_are_no_integers(front):
    kinds = (xent.KindError, TypeError, RuntimeError)
    refuse(kinds, kind("torch.bool"), LOGITS, torch.tensor([True, False]))
    hint = "\n  If they are whole numbers: target.long()."
    refuse(kinds, kind("torch.float32", hint), LOGITS, torch.tensor([2.0, 0.0]))
    refuse(kinds, kind("torch.float64", hint), LOGITS, torch.tensor([1.2, 0.0], dtype=torch.float64))


@row("23", fronts=[TORCH])
def test_a_column_of_labels(front):
    text = (
        "target has shape (2, 1), input (2, 3): class indices must have shape (2,), probabilities the input's shape.\n"
        "  Drop the last axis: target[:, 0]."
    )
    refuse((xent.ShapeError, RuntimeError), text, LOGITS, LABELS[:, None])


@row("24", "25", fronts=[TORCH])
def test_another_number_of_labels(front):
    for labels, shape in ((torch.tensor(1), "()"), (torch.tensor([0, 1, 2]), "(3,)")):
        text = (
            f"target has shape {shape}, input (2, 3): class indices must have shape (2,), probabilities the input's "
            "shape."
        )
        refuse((xent.ShapeError, ValueError), text, LOGITS, labels)


@row("26", "27", fronts=[TORCH])
@pytest.mark.parametrize("rows", [2, 3])
def test_integer_one_hot(front, rows):
    text = (
        "target has the input's shape and dtype torch.int64: it looks like one-hot.\n"
        "  Pass target.argmax(axis) for class indices, or floats for probabilities: target.to(input.dtype)."
    )
    refuse((xent.KindError, RuntimeError), text, torch.zeros(rows, 3), torch.eye(3, dtype=torch.int64)[:rows])


@row("41", fronts=[TORCH])
def test_smoothing_above_one(front):
    text = "label_smoothing is 1.5: it must be a number in [0, 1]."
    refuse((xent.OptionError, ValueError, RuntimeError), text, LOGITS, LABELS, label_smoothing=1.5)


@row("40", fronts=[TORCH])
def test_smoothing_below_zero(front):
    with pytest.raises(xent.OptionError, match=r"label_smoothing is -0\.1: it must be a number in \[0, 1\]\."):
        LOSS_OF(LOGITS, LABELS, label_smoothing=-0.1)


@row("44", fronts=[TORCH])
def test_probabilities_that_sum_to_two(front):
    q = torch.tensor([[1.0, 0.5, 0.5]], dtype=torch.float64)
    p = np.array([0.09003057317038046, 0.24472847105479765, 0.6652409557748219])
    loss, grad = both(LOGITS[:1], q)
    assert loss == pytest.approx(3.3152119288887606, rel=1e-15)
    assert grad[0].numpy() == pytest.approx(2 * p - q[0].numpy(), rel=1e-14)


@row("45", "46", fronts=[TORCH])
@pytest.mark.parametrize("entry", [-0.5, NAN])
def test_probabilities_may_be_any_numbers(front, entry):
    q = torch.tensor([[0.0, 0.5, 0.5], [0.0, 1.0, entry]], dtype=torch.float64)
    torch.testing.assert_close(LOSS_OF(LOGITS, q), THEIRS(LOGITS, q), equal_nan=True)


@row("47", fronts=[TORCH])
def test_a_probability_row_of_zeros(front):
    loss, grad = both(LOGITS[:1], torch.zeros(1, 3, dtype=torch.float64))
    assert loss == 0
    assert not grad.any()


@row("48", fronts=[TORCH])
@pytest.mark.parametrize("index", [0, 2])
def test_ignore_index_with_probabilities(front, index):
    text = (
        f"ignore_index is {index}: it must be None or -100 with probability targets.\n"
        "  A row of zeros adds nothing to the loss; or pass sample_weight with 0 in the rows to be left out."
    )
    refuse((xent.OptionError, ValueError, RuntimeError), text, LOGITS, LOGITS.softmax(1), ignore_index=index)
    with pytest.raises(xent.OptionError, match="ignore_index is -5"):
        LOSS_OF(LOGITS, LOGITS.softmax(1), ignore_index=-5)


@row("49", fronts=[TORCH])
def test_a_row_whose_class_weighs_nothing(front):
    loss, grad = both(LOGITS, LABELS, weight=torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    assert loss == pytest.approx(LOSS, rel=1e-15)
    assert not grad[0].any()
    smoothed = {"weight": torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64), "label_smoothing": 0.1}
    torch.testing.assert_close(LOSS_OF(LOGITS, LABELS, **smoothed), THEIRS(LOGITS, LABELS, **smoothed))


@row("50", "51", "52", fronts=[TORCH])
@pytest.mark.parametrize("weight", [[0.0, 1.0, 0.0], [-1.0, 1.0, 1.0], [1.0, NAN, 1.0]])
def test_class_weights_may_be_any_numbers(front, weight):
    weight, leaf = torch.tensor(weight, dtype=torch.float64), LOGITS.clone().requires_grad_()
    wanted = THEIRS(leaf, LABELS, weight)
    loss, grad = both(LOGITS, LABELS, weight=weight)
    torch.testing.assert_close(loss, wanted.detach(), equal_nan=True)
    (other,) = torch.autograd.grad(wanted, leaf)
    assert torch.equal(grad.isfinite().all(), other.isfinite().all())


@row("53", fronts=[TORCH])
def test_class_weights_of_another_length(front):
    text = "weight has shape (2,): it must have shape (3,), one weight a class."
    refuse((xent.ShapeError, RuntimeError), text, LOGITS, LABELS, weight=torch.ones(2, dtype=torch.float64))


@row("62", "63", "64", fronts=[TORCH])
@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex128], ids=str)
def test_logits_that_are_no_floats(front, dtype):
    text = (
        f"input has dtype {dtype}: it must be float16, bfloat16, float32 or float64.\n"
        "  If these are logits: input.float()."
    )
    refuse((xent.KindError, TypeError, NotImplementedError), text, LOGITS.to(dtype), LABELS)


@row("68", "69", fronts=[TORCH])
def test_the_class_axis_is_the_second_one(front):
    square = torch.arange(3.0).expand(2, 3, 3)
    labels = torch.zeros(2, 3, dtype=torch.int64)
    torch.testing.assert_close(LOSS_OF(square, labels), THEIRS(square, labels))
    assert LOSS_OF(square, labels, axis=-1).item() == pytest.approx(2.4076059644443803, rel=1e-7)
    text = (
        "target has shape (2, 4), input (2, 4, 3): class indices must have shape (2, 3), probabilities the input's "
        "shape.\n  The class axis is the second one; if yours is the last, pass axis=-1."
    )
    refuse((xent.ShapeError, RuntimeError), text, torch.zeros(2, 4, 3), torch.zeros(2, 4, dtype=torch.int64))


@row("73", fronts=[TORCH])
def test_an_unknown_reduction(front):
    text = "reduction is 'average': it must be one of 'mean', 'sum', 'none'."
    refuse((xent.OptionError, ValueError), text, LOGITS, LABELS, reduction="average")


@row("36", "54", fronts=[TORCH])
@pytest.mark.parametrize("devices", ["kernels", "formulas"])
def test_a_row_without_a_loss_is_nan_throughout_on_any_device(front, devices, monkeypatch):
    from xent.torch import engine

    monkeypatch.setattr(engine, "KERNEL_DEVICES", {"cpu"} if devices == "kernels" else set())
    for odd in ([NAN, 2.0, 3.0], [INF, 2.0, 1.0], [1.0, 2.0, INF], [-INF] * 3):
        logits = torch.tensor([odd, [3.0, 2.0, 1.0]], dtype=torch.float64)
        loss, grad = both(logits, LABELS, reduction="none")
        assert math.isnan(loss[0])
        assert grad[0].isnan().all()
        assert loss[1].item() == pytest.approx(LOSS, rel=1e-15)
        assert grad[1].numpy() == pytest.approx(GRAD[1], rel=1e-15)
        ignored = both(logits, torch.tensor([-100, 0]))
        assert ignored[0].item() == pytest.approx(LOSS, rel=1e-15)
        assert not ignored[1][0].any()
    missing = both(torch.tensor([[-INF, 1.0, 3.0]], dtype=torch.float64), torch.tensor([2]))
    assert missing[0].item() == pytest.approx(0.12692801104297263, rel=1e-15)
    q = torch.tensor([[0.0, 0.5, 0.5]], dtype=torch.float64)
    soft = both(torch.tensor([[-INF, 1.0, 3.0]], dtype=torch.float64), q)
    assert soft[0].item() == pytest.approx(1.12692801104297263, rel=1e-15)
    assert not soft[1][0, 0]


def test_a_tensor_of_any_strides():
    made = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(6, 5, generator=made), torch.randint(5, (6,), generator=made)
    loss, grad = both(logits, labels)
    wide = torch.full((12, 10), NAN)
    wide[::2, 1::2] = logits
    for same in (logits.T.contiguous().T, wide[::2, 1::2], logits.clone().unsqueeze(0)[0]):
        other = both(same, labels)
        assert_same(other[0].numpy(), loss.numpy())
        assert_same(other[1].numpy(), grad.numpy())
    thin = logits[:1].expand(6, 5)
    assert_same(both(thin, labels)[1].numpy(), both(thin.contiguous(), labels)[1].numpy())
    image = torch.randn(2, 5, 3, 4, generator=made).to(memory_format=torch.channels_last)
    found = both(image, torch.zeros(2, 3, 4, dtype=torch.int64))
    other = both(image.contiguous(), torch.zeros(2, 3, 4, dtype=torch.int64))
    assert_same(found[0].numpy(), other[0].numpy())
    assert_same(found[1].numpy(), other[1].numpy())
