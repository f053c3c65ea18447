"""GradientAccumulator in one process: the gradient and the loss of the whole step, however it is cut."""

import copy

import pytest
import torch

import xent
from xent.torch import GradientAccumulator

IGNORED = -100
FINE = {"rtol": 1e-12, "atol": 1e-15}


def net(dtype=torch.float64) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5)
    return torch.nn.Sequential(*layers).to(dtype)


def step(rows=12, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    targets = torch.randint(0, 5, (rows,))
    targets[::3] = IGNORED
    return torch.randn(rows, 3, dtype=dtype), targets


CUTS = {"even": [6, 6], "uneven": [10, 2], "one": [12], "an empty part": [5, 0, 7], "a part that is padding": [1, 11]}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(
    "options",
    [{}, {"weight": torch.tensor([1.0, 0.3, 2.0, 0.0, 0.7])}, {"label_smoothing": 0.1}, {"denominator": "batch"}],
    ids=["plain", "weights", "smoothing", "batch"],
)
def test_a_step_cut_into_micro_batches_is_the_step(cut, options):
    inputs, targets = step()
    model, whole = net(), net()
    acc = GradientAccumulator(model, **options)
    for x, t in zip(inputs.split(cut), targets.split(cut), strict=True):
        acc.backward(model(x), t)
    loss = acc.divide()
    logits = whole(inputs)
    arrays = {k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
    right, grad = xent.value_and_grad(logits.detach().numpy(), targets.numpy(), **arrays)
    logits.backward(torch.from_numpy(grad))
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss.item(), float(right), rtol=1e-14, atol=0)
    for p, q in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, **FINE)


def test_the_loss_is_that_of_the_whole_step_to_the_bit():
    torch.manual_seed(3)
    logits, targets = torch.randn(50, 7), torch.randint(0, 7, (50,))
    right = xent.cross_entropy(logits.numpy(), targets.numpy())
    for cut in ([50], [1, 49], [7] * 7 + [1]):
        acc = GradientAccumulator([])
        for x, t in zip(logits.split(cut), targets.split(cut), strict=True):
            acc.backward(x.clone().requires_grad_(), t)
        assert acc.divide() == torch.tensor(right)


def test_the_provisional_power_of_two_changes_no_bits():
    inputs, targets = step()
    model = net()
    acc, grads = GradientAccumulator(model), []
    for _ in range(3):
        for x, t in zip(inputs.split(5), targets.split(5), strict=True):
            acc.backward(model(x), t)
        acc.divide()
        grads.append([p.grad.clone() for p in model.parameters()])
        model.zero_grad(set_to_none=False)
    assert acc._provisional == 0.125
    for later in grads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(grads[0], later, strict=True))


def test_with_a_scaler_clipping_and_parameter_groups_the_weights_are_those_of_the_whole_step():
    inputs, targets = step(dtype=torch.float32)
    ours, whole = net(torch.float32), net(torch.float32)
    steps = []
    for model, parts in ((ours, 4), (whole, 12)):
        groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters(), "lr": 0.1}]
        optimizer = torch.optim.SGD(groups, momentum=0.9)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        acc = GradientAccumulator([p for g in optimizer.param_groups for p in g["params"]], scaler=scaler)
        for _ in range(3):
            for x, t in zip(inputs.split(parts), targets.split(parts), strict=True):
                acc.backward(model(x), t)
            loss = acc.divide()
            scaler.unscale_(optimizer)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            steps.append((loss, norm))
    for (loss, norm), (whole_loss, whole_norm) in zip(steps[:3], steps[3:], strict=True):
        torch.testing.assert_close(loss, whole_loss, rtol=1e-6, atol=0)
        torch.testing.assert_close(norm, whole_norm, rtol=1e-5, atol=0)
    for p, q in zip(ours.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-7)


def test_a_half_precision_gradient_neither_overflows_nor_underflows_after_the_first_step():
    rows = 4096
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    acc = GradientAccumulator([torch.zeros(1, requires_grad=True)], scaler=scaler)
    targets = torch.zeros(rows, dtype=torch.int64)
    largest = []
    for _ in range(2):
        logits = torch.zeros(rows, 2, dtype=torch.float16, requires_grad=True)
        acc.backward(logits, targets)
        largest.append(logits.grad.abs().max().item())
        acc.divide()
    assert largest == [float(torch.tensor(2.0**15).half()), 8.0]


def test_probability_targets_and_sample_weights():
    torch.manual_seed(2)
    logits, q = torch.randn(6, 4, dtype=torch.float64), torch.rand(6, 4, dtype=torch.float64)
    samples = torch.tensor([0.0, 1.0, 2.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    acc = GradientAccumulator([])
    for part in (slice(0, 2), slice(2, 6)):
        acc.backward(logits[part].clone().requires_grad_(), q[part], sample_weight=samples[part])
    arrays = logits.numpy(), q.numpy()
    assert acc.divide() == xent.cross_entropy(*arrays, sample_weight=samples.numpy(), denominator="batch")


def test_nothing_that_counts_is_zero_with_a_warning():
    model = net()
    acc = GradientAccumulator(model)
    acc.backward(model(torch.ones(2, 3, dtype=torch.float64)), torch.tensor([IGNORED, IGNORED]))
    with pytest.warns(xent.EmptyBatchWarning, match="nothing in this batch counts"):
        assert acc.divide() == 0.0
    assert all(not p.grad.any() for p in model.parameters())


def test_a_gradient_left_over_from_before_is_refused():
    model = net()
    acc = GradientAccumulator(model)
    inputs, targets = step()
    acc.backward(model(inputs), targets)
    acc.divide()
    with pytest.raises(xent.StateError) as raised:
        acc.backward(model(inputs), targets)
    assert str(raised.value) == (
        "4 of 4 parameters have a gradient from before this step, which `divide` would divide once more.\n"
        "  Call optimizer.zero_grad() after every step."
    )


def test_dividing_twice_is_refused():
    model = net()
    acc = GradientAccumulator(model)
    inputs, targets = step()
    acc.backward(model(inputs), targets)
    acc.divide()
    grads = copy.deepcopy([p.grad for p in model.parameters()])
    with pytest.raises(xent.StateError) as raised:
        acc.divide()
    assert str(raised.value) == (
        "divide was called without a backward since the last divide: there is nothing to divide.\n"
        "  Call it once a step, after the last micro-batch."
    )
    assert all(torch.equal(p.grad, g) for p, g in zip(model.parameters(), grads, strict=True))


def test_rows_of_probabilities_and_class_indices_are_divided_by_one_rule_only():
    acc = GradientAccumulator([])
    for targets in (torch.tensor([0, 1]), torch.full((2, 3), 1 / 3)):
        acc.backward(torch.zeros(2, 3, requires_grad=True), targets)
    with pytest.raises(xent.OptionError) as raised:
        acc.divide()
    assert str(raised.value) == (
        "1 of 2 micro-batches have probability rows, the others class indices, and by themselves these are divided "
        'differently.\n  Pass denominator="weights", "items" or "batch".'
    )


def test_a_bad_label_is_raised_at_once_in_a_single_process():
    model = net()
    acc = GradientAccumulator(model)
    with pytest.raises((ValueError, IndexError), match="5"):
        acc.backward(model(torch.ones(1, 3, dtype=torch.float64)), torch.tensor([5]))


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        (
            {"denominator": "rows"},
            xent.OptionError,
            "denominator is 'rows': it must be one of 'weights', 'items', 'batch'.",
        ),
        ({"grad_reduce": "max"}, xent.OptionError, "grad_reduce is 'max': it must be one of 'mean', 'sum'."),
        ({"scaler": 8}, xent.KindError, "scaler is an int, 8: it must be a torch.amp.GradScaler, or None."),
        ({"label_smoothing": -0.1}, xent.OptionError, "label_smoothing is -0.1: it must be a number in [0, 1]."),
        (
            {"model": torch.zeros(2)},
            xent.KindError,
            "model is a Tensor, tensor([0., 0.]): it must be a module, or an iterable of its parameters.",
        ),
        (
            {"model": [{"params": []}]},
            xent.KindError,
            (
                "model is a dict, {'params': []}: it must be made of tensors.\n"
                "  Of an optimizer: [p for g in opt.param_groups for p in g['params']]."
            ),
        ),
        (
            {"group": "world"},
            xent.StateError,
            (
                "group= was given, but there are no ranks yet: call torch.distributed.init_process_group first "
                "(torchrun sets its variables), or leave group out in a single process."
            ),
        ),
    ],
    ids=["denominator", "grad_reduce", "scaler", "smoothing", "model", "groups", "group"],
)  # fmt: skip
def test_bad_options_are_refused_when_it_is_made(options, kind, text):
    with pytest.raises(kind) as raised:
        GradientAccumulator(**{"model": [], **options})
    assert str(raised.value) == text
