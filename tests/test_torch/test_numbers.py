"""What is kept for backward, half precision, threads: numbers that PyTorch's loss does not give."""

import math

import pytest
import torch

import xent.torch
from xent.torch import engine

LOSS, THEIRS = xent.torch.cross_entropy, torch.nn.functional.cross_entropy


def kept(loss, *args, **options) -> int:
    """Bytes kept for backward."""
    found: dict[int, int] = {}

    def pack(tensor):
        found[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(*args, **options)
    return sum(found.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_other_devices_keep_no_more_than_pytorchs_loss(dtype, smoothing, monkeypatch):
    monkeypatch.setattr(engine, "KERNEL_DEVICES", set())
    x, t = torch.randn(64, 1000, dtype=dtype).requires_grad_(), torch.randint(1000, (64,))
    ours, theirs = (kept(loss, x, t, label_smoothing=smoothing) for loss in (LOSS, THEIRS))
    assert x.nbytes <= ours <= theirs


def test_pieces_change_nothing(monkeypatch):
    monkeypatch.setattr(engine, "KERNEL_DEVICES", set())
    x, t = torch.randn(64, 10, 3, dtype=torch.float64).requires_grad_(), torch.randint(10, (64, 3))
    weights = torch.rand(64, 3, dtype=torch.float64)
    for options in ({}, {"reduction": "none"}, {"sample_weight": weights, "weight": torch.rand(10)}):
        whole = LOSS(x, t, **options)
        above = torch.rand_like(whole)
        (grad,) = torch.autograd.grad(whole, x, above)
        monkeypatch.setattr(engine, "PIECE", 100)
        assert torch.equal(LOSS(x, t, **options), whole)
        assert torch.equal(torch.autograd.grad(LOSS(x, t, **options), x, above)[0], grad)
        monkeypatch.undo()
        monkeypatch.setattr(engine, "KERNEL_DEVICES", set())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_float16_gradient_is_multiplied_before_it_is_rounded(dtype):
    x = torch.zeros(65536, 2, dtype=dtype, requires_grad=True)
    loss = LOSS(x, torch.zeros(65536, dtype=torch.int64))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-7)
    (loss * 1024.0).backward()
    assert (x.grad[:, 1] == 2.0**-7).all()


def test_the_scaler_of_mixed_precision_sees_no_underflow():
    x = torch.zeros(65536, 2, dtype=torch.float16, requires_grad=True)
    LOSS(x, torch.zeros(65536, dtype=torch.int64)).mul(65536.0).backward()
    assert (x.grad == torch.tensor([-0.5, 0.5])).all()


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_float16_rounds_once_whatever_comes_from_above(reduction):
    x = (torch.randn(50, 7) * 4).half().requires_grad_()
    t = torch.randint(7, (50,))
    loss = LOSS(x, t, reduction=reduction)
    above = torch.rand_like(loss) * 3
    (grad,) = torch.autograd.grad(loss, x, above)
    exact = x.detach().double().requires_grad_()
    (wanted,) = torch.autograd.grad(LOSS(exact, t, reduction=reduction), exact, above.double())
    assert (grad.double() - wanted).abs().le(wanted.abs() * 2.0**-11 * 1.001 + 2.0**-25).all()


def test_a_sure_row():
    x = torch.tensor([[20.0, 0.0]], requires_grad=True)
    loss = LOSS(x, torch.tensor([0]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log1p(math.exp(-20.0)), rel=3e-7)
    assert x.grad[0, 0] == -x.grad[0, 1]
    assert THEIRS(x, torch.tensor([0])) == 0


def test_the_number_of_threads_changes_no_bit():
    before = torch.get_num_threads()
    x, t = torch.randn(3000, 50), torch.randint(50, (3000,))
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaf = x.clone().requires_grad_()
            loss = LOSS(leaf, t, lse_square_scale=1e-4)
            loss.backward()
            found.append((loss.detach(), leaf.grad))
    finally:
        torch.set_num_threads(before)
    for loss, grad in found[1:]:
        assert torch.equal(loss, found[0][0])
        assert torch.equal(grad, found[0][1])


def test_the_gradient_is_made_once_and_handed_over():
    made = []
    leaf = torch.randn(4, 5, requires_grad=True)
    loss = LOSS(leaf, torch.tensor([0, 1, 2, 3]))
    made.append(loss.grad_fn.extra.grad.data_ptr())
    loss.backward()
    assert leaf.grad.data_ptr() == made[0]
    assert loss.grad_fn.extra.grad is None
