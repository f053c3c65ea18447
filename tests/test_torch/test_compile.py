"""Compiled, exported, traced: the same bits as the eager call, and no tangent that is silently zero."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.common_utils import is_iterable_of_tensors

import xent.torch
from tests.test_torch.samples import of_function, of_ours

LOSS = xent.torch.cross_entropy
MADE = torch.Generator().manual_seed(0)
X, T = torch.randn(4, 5, generator=MADE), torch.tensor([0, 4, -100, 2])
V = torch.randn(4, 5, generator=MADE)
OPTIONS = {
    "plain": {},
    "none": {"reduction": "none"},
    "a count": {"denominator": 7},
    "a number": {"denominator": 7.5, "softcap": 5.0, "logit_scale": 2.0},
    "a tensor": {"denominator": torch.tensor(7)},
    "all": {"label_smoothing": 0.1, "lse_square_scale": 1e-3, "weight": torch.rand(5), "sample_weight": torch.rand(4)},
}


@pytest.fixture(autouse=True)
def fresh():
    """Nothing compiled before."""
    torch._dynamo.reset()


def compiled(function, backend="aot_eager"):
    """In one graph, or not at all."""
    return torch.compile(function, fullgraph=True, backend=backend)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_compiled_code_gives_the_bits_of_the_eager_call(name, dtype):
    options, leaf, twin = OPTIONS[name], X.to(dtype).clone().requires_grad_(), X.to(dtype).clone().requires_grad_()
    got, wanted = compiled(LOSS)(leaf, T, **options), LOSS(twin, T, **options)
    assert torch.equal(got, wanted)
    for above in (torch.ones_like(wanted), torch.full_like(wanted, 0.3)):
        (grad,) = torch.autograd.grad(got, leaf, above, retain_graph=True)
        assert torch.equal(grad, torch.autograd.grad(wanted, twin, above, retain_graph=True)[0])


@pytest.mark.slow
@pytest.mark.parametrize("sample", [*of_function(torch.float64), *of_ours()], ids=str)
def test_every_sample_compiled(sample):
    mine, other = sample.leaves(), sample.leaves()
    got, wanted = compiled(lambda *leaves: sample.call(LOSS, *leaves))(*mine), sample.call(LOSS, *other)
    assert torch.equal(got, wanted)
    grads = torch.autograd.grad(got.sum(), mine), torch.autograd.grad(wanted.sum(), other)
    assert is_iterable_of_tensors(grads[0])
    for grad, same in zip(*grads, strict=True):
        torch.testing.assert_close(grad, same)


@pytest.mark.slow
def test_with_the_compiler_that_is_the_default():
    leaf, twin = X.clone().requires_grad_(), X.clone().requires_grad_()
    got, wanted = compiled(lambda x: LOSS(x * 2, T).sin(), "inductor")(leaf), LOSS(twin * 2, T).sin()
    got.backward()
    wanted.backward()
    torch.testing.assert_close(leaf.grad, twin.grad)


def test_another_count_is_no_other_program():
    calls = torch._dynamo.testing.CompileCounter()
    loss = torch.compile(LOSS, fullgraph=True, backend=calls)
    for count in range(2, 9):
        assert torch.equal(loss(X, T, denominator=count), LOSS(X, T, denominator=count))
    assert calls.frame_count <= 2


def test_further_results_compiled():
    got, wanted = compiled(LOSS)(X, T, returns=("lse", "predicted")), LOSS(X, T, returns=("lse", "predicted"))
    assert got._fields == wanted._fields == ("loss", "lse", "predicted")
    assert all(map(torch.equal, got, wanted))


def test_a_label_that_is_no_class_makes_its_row_nan_and_no_other():
    leaf, labels = X.clone().requires_grad_(), torch.tensor([0, 9, -100, -7])
    rows = compiled(LOSS)(leaf, labels, reduction="none")
    assert rows.isnan().tolist() == [False, True, False, True]
    (grad,) = torch.autograd.grad(rows.sum(), leaf)
    assert grad.isnan().all(1).tolist() == [False, True, False, True]
    assert compiled(LOSS)(X, labels).isnan()
    with pytest.raises(IndexError):
        LOSS(X, labels)


def test_bad_options_are_refused_when_the_program_is_compiled():
    with pytest.raises(Exception, match=r"label_smoothing is -0\.1: it must be a number in \[0, 1\]"):
        compiled(LOSS)(X, T, label_smoothing=-0.1)


def tangent(x):
    """Forward mode, inside the program."""
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(LOSS(forward_ad.make_dual(x, V), T)).tangent


@pytest.mark.parametrize(
    "transformed",
    [
        tangent,
        torch.func.grad(lambda x: LOSS(x, T)),
        lambda x: torch.func.jvp(lambda x: LOSS(x, T), (x,), (V,))[1],
        lambda x: torch.vmap(LOSS)(x, torch.tensor([0, 4, 1, 2])),
    ],
    ids=["dual numbers", "grad", "jvp", "vmap"],
)
def test_transforms_inside_a_compiled_program(transformed):
    torch.testing.assert_close(compiled(transformed)(X), transformed(X))


def test_forward_mode_around_a_compiled_program():
    with forward_ad.dual_level():
        got = forward_ad.unpack_dual(compiled(LOSS)(forward_ad.make_dual(X, V), T)).tangent
    torch.testing.assert_close(got, tangent(X))


class Net(torch.nn.Module):
    """A net whose forward ends in the loss."""

    def __init__(self):
        super().__init__()
        self.loss = xent.torch.CrossEntropyLoss(label_smoothing=0.1)

    def forward(self, x, t):
        return self.loss(x, t)


def test_export():
    rows = torch.export.Dim("rows")
    program = torch.export.export(Net(), (X, T), dynamic_shapes={"x": {0: rows}, "t": {0: rows}}).module()
    assert torch.equal(program(X, T), Net()(X, T))
    assert torch.equal(program(X[:3], T[:3]), Net()(X[:3], T[:3]))


def test_tensors_without_numbers():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        leaf = torch.empty(4, 5, dtype=torch.bfloat16, requires_grad=True)
        loss = LOSS(leaf, torch.empty(4, dtype=torch.int64))
        loss.backward()
        assert (loss.shape, loss.dtype) == ((), torch.float32)
        assert (leaf.grad.shape, leaf.grad.dtype) == ((4, 5), torch.bfloat16)
    assert LOSS(X.to("meta"), T.to("meta"), reduction="none").shape == (4,)


def test_recorded_operations():
    program = make_fx(lambda x: LOSS(x, T))(X)
    assert "xent.cross_entropy" in program.code
    assert torch.equal(program(V), LOSS(V, T))
    torch.testing.assert_close(
        make_fx(torch.func.grad(lambda x: LOSS(x, T)))(X)(V), torch.func.grad(lambda x: LOSS(x, T))(V)
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_changes_nothing(dtype):
    leaf, twin = X.to(dtype).clone().requires_grad_(), X.to(dtype).clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = LOSS(leaf, T)
    got.backward()
    LOSS(twin, T).backward()
    assert got.dtype == torch.float32
    assert torch.equal(leaf.grad, twin.grad)
