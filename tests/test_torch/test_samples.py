"""PyTorch's own samples of the loss: values and gradients, ours in place of theirs."""

import pytest
import torch

import xent.torch
from tests.test_torch.samples import DTYPES, HALVES, of_function, of_module

THEIRS = torch.nn.functional.cross_entropy
ROUGH = {torch.float16: {"rtol": 1e-3, "atol": 1e-5}, torch.bfloat16: {"rtol": 8e-3, "atol": 1e-4}}


@pytest.mark.parametrize("upstream", ["one", "another"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_samples_of_the_function(dtype, upstream):
    samples = of_function(dtype)
    assert len(samples) == 21
    for sample in samples:
        exact = sample.to(torch.float64) if dtype in HALVES else sample  # theirs rounds on the way
        mine, theirs = sample.leaves(), exact.leaves()
        got, wanted = sample.call(xent.torch.cross_entropy, *mine), exact.call(THEIRS, *theirs)
        assert got.dtype == (torch.float32 if dtype in HALVES else dtype)
        torch.testing.assert_close(got, wanted.to(got.dtype), msg=lambda text, s=sample: f"{s}\n{text}")
        above = torch.ones_like(wanted) if upstream == "one" else torch.randn_like(wanted)
        grads = torch.autograd.grad(got, mine, above.to(got.dtype))
        for grad, other in zip(grads, torch.autograd.grad(wanted, theirs, above), strict=True):
            torch.testing.assert_close(
                grad, other.to(dtype), **ROUGH.get(dtype, {}), msg=lambda text, s=sample: f"{s}\n{text}"
            )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_samples_of_the_module(dtype):
    samples = of_module(dtype)
    assert len(samples) > 10
    for options, logits, target in samples:
        ours, theirs = xent.torch.CrossEntropyLoss(**options), torch.nn.CrossEntropyLoss(**options)
        mine, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        got, wanted = ours(mine, target), theirs(other, target)
        torch.testing.assert_close(got, wanted, equal_nan=True)  # one sample ignores all its rows
        torch.testing.assert_close(torch.autograd.grad(got.sum(), mine)[0], torch.autograd.grad(wanted.sum(), other)[0])


def test_a_wrong_loss_fails_the_samples():
    def halved(*args, **kwargs):
        return xent.torch.cross_entropy(*args, **kwargs) / 2

    sample = of_function(torch.float64)[0]
    with pytest.raises(AssertionError):
        torch.testing.assert_close(sample.call(halved, *sample.leaves()), sample.call(THEIRS, *sample.leaves()))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_every_combination_of_pytorchs_options(reduction, smoothing, weighted, soft):
    made = torch.Generator().manual_seed(1)
    for shape in [(7,), (5, 7), (2, 7, 3), (2, 7, 3, 2), (0, 7)]:
        logits = torch.randn(shape, dtype=torch.float64, generator=made)
        rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
        target = torch.randint(7, rows, generator=made)
        options = {"reduction": reduction, "label_smoothing": smoothing}
        if soft:
            target = torch.rand(shape, dtype=torch.float64, generator=made)  # of any sum
        elif target.numel() > 1:
            target.view(-1)[0] = 2
            options["ignore_index"] = 2
        if weighted:
            options["weight"] = torch.tensor([0.0, 1.0, 0.5, 2.0, 3.0, 0.0, 1.0], dtype=torch.float64)
        mine, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        got, wanted = (
            xent.torch.cross_entropy(mine, target, **options),
            THEIRS(theirs, target, **options),
        )
        torch.testing.assert_close(got, wanted, equal_nan=True)
        if wanted.numel() and not wanted.isnan().any():
            grads = (torch.autograd.grad(loss.sum(), x)[0] for loss, x in ((got, mine), (wanted, theirs)))
            torch.testing.assert_close(*grads)


def test_one_row_whose_label_has_an_axis():
    logits = torch.randn(5, dtype=torch.float64)
    got = xent.torch.cross_entropy(logits, torch.tensor([2]))
    torch.testing.assert_close(got, THEIRS(logits, torch.tensor([2])))


def test_the_deprecated_arguments_give_their_warning():
    logits, target = torch.randn(3, 4), torch.tensor([0, 1, 2])
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        got = xent.torch.cross_entropy(logits, target, size_average=False)
    torch.testing.assert_close(got, THEIRS(logits, target, reduction="sum"))


def test_in_the_order_of_pytorchs_arguments():
    logits, target, weight = torch.randn(3, 4), torch.tensor([0, 1, 2]), torch.rand(4)
    orders = [(weight,), (weight, None, 1), (weight, None, 1, None, "sum"), (None, None, -100, None, "none", 0.1)]
    for arguments in orders:
        torch.testing.assert_close(
            xent.torch.cross_entropy(logits, target, *arguments), THEIRS(logits, target, *arguments)
        )
        module = xent.torch.CrossEntropyLoss(*arguments)
        torch.testing.assert_close(module(logits, target), torch.nn.CrossEntropyLoss(*arguments)(logits, target))


@pytest.mark.parametrize("weight", [[-1.0, 2.0, 1.0], [float("nan"), 1.0, 1.0], [0.0, 1.0, 0.0]])
def test_weights_that_are_no_weights_do_what_they_do_in_pytorch(weight):
    weight = torch.tensor(weight, dtype=torch.float64)
    logits = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], dtype=torch.float64)
    for labels in ([2, 0], [2, 2], [1, 2]):
        mine, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        got = xent.torch.cross_entropy(mine, torch.tensor(labels), weight)
        wanted = THEIRS(theirs, torch.tensor(labels), weight)
        torch.testing.assert_close(got, wanted, equal_nan=True)
        got.backward()
        wanted.backward()
        assert torch.equal(mine.grad.isfinite().all(), theirs.grad.isfinite().all())
        if theirs.grad.isfinite().all():
            torch.testing.assert_close(mine.grad, theirs.grad)
