"""The loss and its derivatives as plain operations of PyTorch: any device, any order of derivative, class axis last.

For a row y of V logits (scaled and capped), m its largest, at k, and rest = Σ_{j≠k} exp(y_j - m):

    nll_j = (m - y_j) + log1p(rest)                  two terms >= 0
    loss  = s·(Σ v_j·nll_j + z·lse²)                 v = class weights × smoothed target, s the sample weight
    g_j   = A·((Σv + 2z·lse)·p_j - v_j)·y'_j         A = s × upstream / denominator

All of it in float32; float64 for float64 logits.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from xent.core.errors import bad_option
from xent.core.spec import PYTORCH_IGNORE, Spec
from xent.torch.call import PYTORCH, Call


class State(NamedTuple):
    """The rows after one look at them; each (*shape, V), or (*shape, 1)."""

    y: Tensor  # scaled and capped logits; 0 in rows that are ignored
    slope: Tensor | None  # dy/dx; None: 1
    bend: Tensor | None  # d²y/dx²; None: 0
    k: Tensor  # where the largest is
    gap: Tensor  # m - y
    terms: Tensor  # exp(y - m)
    rest: Tensor
    lse: Tensor
    broken: Tensor  # rows without a loss

    @property
    def p(self) -> Tensor:
        """Probabilities."""
        return self.terms / (1.0 + self.rest)

    @property
    def nll(self) -> Tensor:
        """Of every class."""
        return self.gap + self.rest.log1p()


class Weights(NamedTuple):
    """What the target says of every row."""

    counts: Tensor | None  # (*shape,) rows that are not ignored and do not weigh 0; None: all
    kept: Tensor | None  # (*shape,) rows that are not ignored; None: all
    bad: Tensor | None  # (*shape,) labels that are no class
    label: Tensor | None  # (*shape,) class, 0 where there is none; None: probability rows
    row: Tensor | None  # (*shape,) class weight of the label; None: 1
    cls: Tensor | None  # (V,) class weights


def work_dtype(call: Call) -> torch.dtype:
    """float64 for float64 logits, else float32: of the arithmetic, and of the loss."""
    return torch.float64 if call.logits.dtype == torch.float64 else torch.float32


def weights_of(call: Call) -> Weights:
    """What the target says: which rows count, which class, what it weighs."""
    cls = None if call.weight is None else call.weight.to(work_dtype(call))
    if call.soft:
        return Weights(None, None, None, None, None, cls)
    target, classes, ignore = call.target, call.logits.shape[-1], call.rule.spec.ignore_index
    counts, limits = None, torch.iinfo(target.dtype)
    if target.dtype in {torch.uint16, torch.uint32, torch.uint64}:  # few operations know them
        wide = target.to(torch.int64)
        target = torch.where(wide < 0, -1, wide) if ignore is None or ignore < 2**63 else wide
    if ignore is not None and limits.min <= ignore <= limits.max:
        ignored = ignore - 2**64 if ignore >= 2**63 else ignore
        counts = target != ignored
    elif ignore not in (None, PYTORCH_IGNORE):
        allowed = f"None, -100 or a value of the target's dtype {call.target.dtype} in [{limits.min}, {limits.max}]"
        raise bad_option("ignore_index", ignore, allowed)
    target = target.to(torch.int64)
    bad = (target < 0) | (target >= classes)
    index = torch.where(bad, 0, target)
    bad = bad if counts is None else bad & counts
    kept, row = counts, None if cls is None else cls[index]
    if row is not None and not call.rule.spec.soft:
        counts = (row != 0.0) | bad if counts is None else counts & ((row != 0.0) | bad)
    return Weights(counts, kept, bad, index, row, cls)


def state_of(call: Call, weights: Weights) -> State:
    """One look at the rows."""
    spec = call.rule.spec
    x = call.logits.to(work_dtype(call))
    if weights.counts is not None:
        x = torch.where(weights.counts.unsqueeze(-1), x, 0.0)
    y, slope, bend = transformed(x, spec)
    k = y.detach().argmax(-1, keepdim=True)
    m = y.gather(-1, k)
    gap = m - y
    terms = (-gap).exp()
    rest = terms.scatter(-1, k, 0.0).sum(-1, keepdim=True)
    broken = ~m.detach().isfinite()
    return State(y, slope, bend, k, gap, terms, rest, m + rest.log1p(), broken)


def transformed(x: Tensor, spec: Spec) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """y = c·tanh(s·x/c), its first and its second derivative."""
    s, c = spec.logit_scale, spec.softcap
    if c is None:
        if s == 1.0:
            return x, None, None
        return x * s, torch.full_like(x, s), None
    t = (x * (s / c)).tanh()
    cosh = (x * (s / c)).cosh()
    slope = s / (cosh * cosh)
    return t * c, slope, slope * t * (-2.0 * s / c)


def class_weights(call: Call, weights: Weights) -> Tensor:
    """v (*shape, V): class weights × smoothed target."""
    a, classes = call.rule.spec.label_smoothing, call.logits.shape[-1]
    if weights.label is None:
        v = call.target.to(work_dtype(call))
    else:
        where, zeros = weights.label.unsqueeze(-1), torch.zeros_like(call.logits, dtype=work_dtype(call))
        if not a and weights.row is not None:
            return zeros.scatter(-1, where, weights.row.unsqueeze(-1))  # a NaN among the other classes stays there
        v = zeros.scatter(-1, where, 1.0)
    if a:
        v = v * (1.0 - a) + a / classes
    return v if weights.cls is None else v * weights.cls


def losses(call: Call) -> Tensor:
    """(*shape,) loss of every row, times its sample weight; 0 where it is ignored."""
    spec, weights = call.rule.spec, weights_of(call)
    state = state_of(call, weights)
    if weights.label is not None and not spec.soft:
        found = state.gap.gather(-1, weights.label.unsqueeze(-1)) + state.rest.log1p()
        found = found if weights.row is None else found * weights.row.unsqueeze(-1)
    else:
        v = class_weights(call, weights)
        gap = torch.where((v == 0.0) & state.gap.isinf(), 0.0, state.gap)  # 0·inf = 0
        found = (v * gap).sum(-1, keepdim=True) + v.sum(-1, keepdim=True) * state.rest.log1p()
    if spec.lse_square_scale:
        found = found + spec.lse_square_scale * state.lse * state.lse
    found = torch.where(state.broken, torch.nan, 1.0) * found
    found = found.squeeze(-1)
    if weights.bad is not None:
        found = torch.where(weights.bad, torch.nan, 1.0) * found
    if call.sample_weight is not None:
        found = found * call.sample_weight.to(found.dtype)
    return masked(found, call, weights)


def masked(rows: Tensor, call: Call, weights: Weights) -> Tensor:
    """0 where a row is ignored, or has sample weight 0."""
    if weights.counts is not None:
        rows = torch.where(weights.counts, rows, 0.0)
    if call.sample_weight is not None and not call.sample_weight.requires_grad:
        rows = torch.where(call.sample_weight == 0, 0.0, rows)
    return rows


def denominator(call: Call) -> Tensor | None:
    """What the loss is divided by, as (); None: 1."""
    spec, name = call.rule.spec, call.rule.divide_by
    if spec.reduction != "mean":
        return None
    like = {"dtype": work_dtype(call), "device": call.logits.device}
    if call.divisor is not None:
        checked = isinstance(name, str)  # the whole batch's own, of which this is a piece
        return (call.divisor if checked else torch.where(call.divisor > 0, call.divisor, torch.nan)).to(**like)
    if not isinstance(name, str):
        return torch.full((), float(name), **like)
    rows = call.logits.shape[:-1].numel()
    if name == "batch" or (name == PYTORCH and call.soft):
        return torch.full((), float(rows), **like)
    weights = weights_of(call)
    if name == "items":
        counted = rows if weights.kept is None else weights.kept.sum()
        found = torch.as_tensor(counted, device=call.logits.device).to(like["dtype"])
        return torch.where(found == 0, 1.0, found)
    one = torch.ones((), **like)
    if call.soft:
        q = call.target.to(like["dtype"])
        found = q.sum(-1) if weights.cls is None else (q * weights.cls).sum(-1)
    else:
        found = (one if weights.row is None else weights.row).expand(call.logits.shape[:-1])
        found = found if weights.counts is None else torch.where(weights.counts, found, 0.0)
    if call.sample_weight is not None:
        found = found * call.sample_weight.to(found.dtype)
    found = found.sum()
    return found if name == PYTORCH else torch.where(found == 0, 1.0, found)


def loss(call: Call) -> Tensor:
    """The loss, as `reduction` asks for it; differentiable by everything that is floating."""
    rows = losses(call)
    if call.rule.spec.reduction == "none":
        return rows
    divisor = denominator(call)
    return rows.sum() if divisor is None else rows.sum() / divisor


def scale_of(call: Call, upstream: Tensor | None) -> Tensor | None:
    """A of every row, (*shape, 1) or (); None: 1."""
    parts = []
    if upstream is not None:
        parts.append(upstream.unsqueeze(-1) if call.rule.spec.reduction == "none" else upstream)
    if call.sample_weight is not None:
        parts.append(call.sample_weight.to(work_dtype(call)).unsqueeze(-1))
    found = None
    for part in parts:
        found = part if found is None else found * part
    divisor = denominator(call)
    if divisor is not None:
        found = 1.0 / divisor if found is None else found / divisor
    return found


def finished(g: Tensor, call: Call, weights: Weights, state: State, upstream: Tensor | None) -> Tensor:
    """A row's gradient times A; NaN in rows without a loss, 0 in those that do not count."""
    scale = scale_of(call, upstream)
    g = g if scale is None else g * scale
    odd = state.broken if weights.bad is None else state.broken | weights.bad.unsqueeze(-1)
    g = torch.where(odd, torch.nan, g)
    if weights.counts is not None:
        g = torch.where(weights.counts.unsqueeze(-1), g, 0.0)
    if call.sample_weight is not None:
        g = torch.where(call.sample_weight.unsqueeze(-1) == 0, 0.0, g)
    if weights.row is not None and call.rule.divide_by == PYTORCH and call.rule.spec.reduction == "mean":
        nothing = denominator(call) == 0  # rows there are, and they weigh nothing: 0/0, as in PyTorch
        g = torch.where(nothing if weights.kept is None else nothing & weights.kept.unsqueeze(-1), torch.nan, g)
    return g


def gradient(call: Call, upstream: Tensor | None = None) -> Tensor:
    """(*shape, V) gradient by the logits, in the working dtype."""
    weights = weights_of(call)
    state, v = state_of(call, weights), class_weights(call, weights)
    g = direct(call, state, v)
    return finished(g if state.slope is None else g * state.slope, call, weights, state, upstream)


def direct(call: Call, state: State, v: Tensor) -> Tensor:
    """(Σv + 2z·lse)·p - v, at the largest logit by the others: there p - v cancels."""
    pull = 2.0 * call.rule.spec.lse_square_scale * state.lse
    g = (v.sum(-1, keepdim=True) + pull) * state.p - v
    at_top = v.gather(-1, state.k)
    others = v.scatter(-1, state.k, 0.0).sum(-1, keepdim=True) + pull
    return g.scatter(-1, state.k, (others - at_top * state.rest) / (1.0 + state.rest))


def curvature(call: Call, direction: Tensor, upstream: Tensor | None = None) -> Tensor:
    """(*shape, V) Hessian by the logits times a direction of their shape: symmetric within a row."""
    weights = weights_of(call)
    state, v = state_of(call, weights), class_weights(call, weights)
    z = call.rule.spec.lse_square_scale
    direction = direction.to(state.y.dtype)
    y = direction if state.slope is None else direction * state.slope
    p = state.p
    mean = (p * y).sum(-1, keepdim=True)
    h = (v.sum(-1, keepdim=True) + 2.0 * z * state.lse) * p * (y - mean)
    if z:
        h = h + 2.0 * z * p * mean
    if state.slope is not None:
        h = h * state.slope
    if state.bend is not None:
        h = h + direct(call, state, v) * state.bend * direction
    return finished(h, call, weights, state, upstream)


def target_gradient(call: Call, upstream: Tensor | None = None) -> Tensor:
    """(*shape, V) gradient by the probabilities: A·w_j·(1 - a)·nll_j."""
    weights = weights_of(call)
    state = state_of(call, weights)
    g = state.nll * (1.0 - call.rule.spec.label_smoothing)
    return finished(g if weights.cls is None else g * weights.cls, call, weights, state, upstream)


def mixed(call: Call, direction: Tensor, upstream: Tensor | None = None) -> Tensor:
    """(*shape, V) derivative by the probabilities of <gradient by the logits, y>: A·w_j·(1 - a)·(<p, y> - y_j)."""
    weights = weights_of(call)
    state = state_of(call, weights)
    direction = direction.to(state.y.dtype)
    y = direction if state.slope is None else direction * state.slope
    h = ((state.p * y).sum(-1, keepdim=True) - y) * (1.0 - call.rule.spec.label_smoothing)
    return finished(h if weights.cls is None else h * weights.cls, call, weights, state, upstream)


def mixed_transposed(call: Call, direction: Tensor, upstream: Tensor | None = None) -> Tensor:
    """(*shape, V) derivative of the gradient by the logits along a direction of the probabilities."""
    weights = weights_of(call)
    state = state_of(call, weights)
    v = direction.to(state.y.dtype) * (1.0 - call.rule.spec.label_smoothing)
    v = v if weights.cls is None else v * weights.cls
    h = v.sum(-1, keepdim=True) * state.p - v
    return finished(h if state.slope is None else h * state.slope, call, weights, state, upstream)
