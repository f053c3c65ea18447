"""Every kind of derivative: checked by finite differences, and the kinds against each other."""

import pytest
import torch
from torch import library
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

import xent.torch
from tests.test_torch.samples import of_function, of_ours
from xent.torch import engine, ops

LOSS = xent.torch.cross_entropy
X = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], dtype=torch.float64)
T = torch.tensor([2, 0])
SOME = [*of_function(torch.float64)[::4], *of_ours()]
EVERY = [*of_function(torch.float64), *of_ours()]


def check(sample) -> None:
    """First and second derivatives, backward, forward and mixed, also over a batch of directions."""

    def f(*leaves):
        return sample.call(LOSS, *leaves)

    leaves = sample.leaves()
    assert gradcheck(f, leaves, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, leaves, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.parametrize("sample", SOME, ids=str)
def test_first_and_second_derivatives(sample):
    check(sample)


@pytest.mark.slow
@pytest.mark.parametrize("sample", EVERY, ids=str)
def test_first_and_second_derivatives_of_every_sample(sample):
    check(sample)


@pytest.mark.parametrize("sample", of_ours(), ids=str)
def test_derivatives_of_the_plain_formulas(sample, monkeypatch):
    monkeypatch.setattr(engine, "KERNEL_DEVICES", set())
    check(sample)


@pytest.mark.parametrize("sample", EVERY, ids=str)
def test_the_plain_formulas_agree_with_the_kernels(sample, monkeypatch):
    leaves = sample.leaves()
    loss = sample.call(LOSS, *leaves)
    above = torch.randn_like(loss)
    grads = torch.autograd.grad(loss, leaves, above)
    monkeypatch.setattr(engine, "KERNEL_DEVICES", set())
    other = sample.call(LOSS, *leaves)
    torch.testing.assert_close(other, loss)
    for mine, theirs in zip(torch.autograd.grad(other, leaves, above), grads, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_third_derivative():
    x = X[:1].clone().requires_grad_()

    def second(x):
        (g,) = torch.autograd.grad(LOSS(x, T[:1], softcap=3.0, lse_square_scale=0.1), x, create_graph=True)
        return torch.autograd.grad(g.square().sum(), x, create_graph=True)[0]

    assert gradcheck(second, [x])


@pytest.mark.parametrize("field", ["lse", "entropy", "log_prob"])
@pytest.mark.parametrize("soft", [False, True])
def test_further_results_are_differentiable(field, soft):
    target = torch.tensor([[0.2, 0.5, 0.6], [0.0, 1.0, 0.0]], dtype=torch.float64) if soft else T
    leaves = [X.clone().requires_grad_(), *([target.requires_grad_()] if soft and field == "log_prob" else [])]

    def f(x, q=target):
        return getattr(LOSS(x, q, softcap=4.0, returns=(field,)), field)

    assert gradcheck(f, leaves, check_forward_ad=True)
    assert gradgradcheck(f, leaves)


def test_weights_that_are_learned():
    target = torch.tensor([[0.2, 0.5, 0.6], [0.0, 1.0, 0.0]], dtype=torch.float64)
    weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    rows = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    q = target.clone().requires_grad_()
    for t in (T, target, q):
        for denominator in (None, "weights", 3.0):

            def f(x, w, s, t=t, denominator=denominator):
                return LOSS(x, t, w, sample_weight=s, denominator=denominator)

            assert gradcheck(f, [X.clone().requires_grad_(), weight, rows])
    assert gradcheck(lambda q: LOSS(X, q, denominator="weights"), [q])
    w, t = weight.detach(), torch.ones(3, dtype=torch.float64)
    tangent = torch.func.jvp(lambda w: LOSS(X, T, w), (w,), (t,))[1]
    torch.testing.assert_close(tangent, torch.func.grad(lambda w: LOSS(X, T, w))(w).sum())


def test_functional_transforms_agree():
    x, v = X.clone(), torch.randn_like(X)

    def f(x):
        return LOSS(x, T, label_smoothing=0.1)

    leaf = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(f(leaf), leaf)
    torch.testing.assert_close(torch.func.grad(f)(x), grad)
    torch.testing.assert_close(torch.func.jvp(f, (x,), (v,))[1], (grad * v).sum())
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(f(forward_ad.make_dual(x, v))).tangent
    torch.testing.assert_close(tangent, (grad * v).sum())
    torch.testing.assert_close(torch.func.jacrev(f)(x), grad)
    torch.testing.assert_close(torch.func.jacfwd(f)(x), grad)
    hessian = torch.func.hessian(f)(x)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(f, x))
    torch.testing.assert_close(hessian, hessian.permute(2, 3, 0, 1))


def test_a_tangent_passes_through_backward_without_a_graph():
    v = torch.randn_like(X)
    with forward_ad.dual_level():
        x = forward_ad.make_dual(X.clone().requires_grad_(), v)
        (g,) = torch.autograd.grad(LOSS(x, T), x)
        tangent = forward_ad.unpack_dual(g).tangent
    assert tangent is not None
    hessian = torch.autograd.functional.hessian(lambda x: LOSS(x, T), X)
    torch.testing.assert_close(tangent, torch.einsum("ijkl,kl->ij", hessian, v))


@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"returns": ("lse", "accuracy")}], ids=str)
def test_vmap_gives_the_bits_of_the_calls_one_by_one(options):
    logits, labels = torch.randn(5, 4, 3), torch.randint(3, (5, 4))

    def f(x, t):
        return LOSS(x, t, **options)

    found = torch.vmap(f)(logits, labels)
    alone = [f(x, t) for x, t in zip(logits, labels, strict=True)]
    if "returns" in options:
        for name in ("loss", "lse", "accuracy"):
            assert torch.equal(getattr(found, name), torch.stack([getattr(each, name) for each in alone]))
        return
    assert torch.equal(found, torch.stack(alone))
    across = torch.vmap(f, in_dims=(2, 1))(logits.movedim(0, 2), labels.T)
    assert torch.equal(across, found)
    each = torch.vmap(torch.func.grad(lambda x, t: f(x, t).sum()))(logits, labels)
    leaf = logits.clone().requires_grad_()
    torch.stack([f(x, t).sum() for x, t in zip(leaf, labels, strict=True)]).sum().backward()
    assert torch.equal(each, leaf.grad)


def test_upstream_gradients_that_are_not_one():
    for options in ({}, {"reduction": "none"}, {"reduction": "sum"}):
        leaf = X.clone().requires_grad_()
        loss = LOSS(leaf, T, **options)
        above = torch.randn_like(loss)
        (grad,) = torch.autograd.grad(loss, leaf, above, retain_graph=True)
        (one,) = torch.autograd.grad(loss, leaf, torch.ones_like(loss))
        torch.testing.assert_close(grad, one * (above.unsqueeze(-1) if above.ndim else above))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_backward_twice_adds_the_same_gradient_twice(dtype):
    leaf = X.to(dtype).clone().requires_grad_()
    loss = LOSS(leaf, T)
    loss.backward(retain_graph=True)
    first = leaf.grad.clone()
    loss.backward(retain_graph=True)
    assert torch.equal(leaf.grad, first + first)
    leaf.grad.zero_()
    loss.backward()
    assert torch.equal(leaf.grad, first)


def test_one_loss_in_two_sums():
    leaf = X.clone().requires_grad_()
    loss = LOSS(leaf, T)
    (loss * 2 + loss * 3).backward()
    twin = X.clone().requires_grad_()
    LOSS(twin, T).backward()
    torch.testing.assert_close(leaf.grad, twin.grad * 5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_no_bit(reentrant):
    leaf, twin = X.clone().requires_grad_(), X.clone().requires_grad_()
    checkpoint(lambda x: LOSS(x * 2, T) * 3, leaf, use_reentrant=reentrant).backward()
    (LOSS(twin * 2, T) * 3).backward()
    assert torch.equal(leaf.grad, twin.grad)


def test_without_a_gradient_nothing_is_kept_and_nothing_written():
    leaf = X.clone().requires_grad_()
    before = leaf.detach().clone()
    with torch.no_grad():
        loss = LOSS(leaf, torch.tensor([-100, 0]))
    assert loss.grad_fn is None
    with torch.inference_mode():
        LOSS(leaf, T)
    LOSS(leaf, T).backward()
    assert torch.equal(leaf.detach(), before)


def test_logits_may_be_written_over_after_the_loss_and_a_second_derivative_notices():
    leaf, twin = X.clone().requires_grad_(), X.clone().requires_grad_()
    logits = leaf * 1.0
    loss = LOSS(logits, T)
    with torch.no_grad():
        logits.add_(1.0)
    LOSS(twin, T).backward()
    assert torch.equal(torch.autograd.grad(loss, leaf, retain_graph=True)[0], twin.grad)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # would be made from the logits again


def operation(x, t, *, divide_by="pytorch", number=1.0, smoothing=0.0, reduction="mean", axis=1, softcap=None):
    return (x, t, None, None, None, divide_by, number, -100, smoothing, reduction, axis, 0.01, softcap, 1.5)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_derivatives_of_the_operations(soft, reduction):
    q = torch.rand(2, 3, dtype=torch.float64)
    leaves = [X.clone().requires_grad_(), *([q.requires_grad_()] if soft else [])]

    def f(x, t=T):
        return ops.loss(*operation(x, t, smoothing=0.1, softcap=4.0, reduction=reduction))

    assert gradcheck(f, leaves)
    assert gradgradcheck(f, leaves)
    library.opcheck(ops.loss, operation(leaves[0], leaves[-1] if soft else T, reduction=reduction))
    library.opcheck(ops.further, operation(leaves[0], leaves[-1] if soft else T, reduction=reduction))
    above = torch.ones(2 if reduction == "none" else (), dtype=torch.float64, requires_grad=True)
    library.opcheck(ops.gradient, (*operation(leaves[0], T, reduction=reduction), above))


def test_an_operation_refuses_forward_mode_instead_of_a_zero_tangent():
    with (
        forward_ad.dual_level(),
        pytest.raises(xent.StateError, match="not go through a compiled"),
    ):
        ops.loss(*operation(forward_ad.make_dual(X, torch.ones_like(X)), T))
