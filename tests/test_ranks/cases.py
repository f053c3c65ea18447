"""What a rank does in the tests: functions of its group, run there."""

import os
import signal
import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from tests.test_ranks.world import GRIDS, Raised  # noqa: F401
from xent.torch import GradientAccumulator, count_targets, cross_entropy, vocab_parallel_cross_entropy
from xent.torch import shards as shard_kernels


def mine(group: Any, parts: list[Any]) -> Any:
    """Of some parts the one of this rank."""
    return parts[dist.get_rank(group)]


def tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays as tensors."""
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arrays.items()}


def loss_over_ranks(
    group, logits, targets, samples=None, reduction="mean", denominator=None, grad_reduce="sum", **options
):
    """(loss, gradient of this rank's logits, warnings): the loss over the ranks of parts of a batch."""
    x = torch.from_numpy(mine(group, logits)).requires_grad_()
    s = None if samples is None else torch.from_numpy(mine(group, samples))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t = torch.from_numpy(mine(group, targets))
        loss = cross_entropy(
            x, t, reduction=reduction, denominator=denominator, sample_weight=s, group=group, grad_reduce=grad_reduce,
            **tensors(options),
        )  # fmt: skip
        loss.backward()
    return loss.detach().numpy(), x.grad.numpy(), [type(w.message).__name__ for w in caught]


def collectives(group, function, *arguments, **options):
    """How many collectives a case calls, by name; and whether it raised."""
    names = ["all_reduce", "all_gather", "all_gather_into_tensor", "broadcast", "gather", "barrier"]
    called, kept = [], {name: getattr(dist, name) for name in names}
    for name in names:

        def counted(*a, _name=name, **k):
            called.append(_name)
            return kept[_name](*a, **k)

        setattr(dist, name, counted)
    try:
        function(group, *arguments, **options)
    except (ValueError, IndexError):
        called.append("raised")
    finally:
        for name in names:
            setattr(dist, name, kept[name])
    return called


def net(dtype=torch.float64):
    """A small net, the same on every rank."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 5)).to(dtype)


def gradients(model) -> list[np.ndarray]:
    """Of every parameter, whole."""
    grads = [p.grad for p in model.parameters()]
    return [(g.full_tensor() if hasattr(g, "full_tensor") else g).numpy().copy() for g in grads]


def accumulated(group, inputs, targets, how, steps=1, **options):
    """(losses, gradients): steps of micro-batches on every rank, combined by `how`."""
    from torch.distributed.fsdp import fully_shard
    from torch.nn.parallel import DistributedDataParallel

    inputs, targets = mine(group, inputs), mine(group, targets)
    model = whole = net()
    if how in {"ddp", "no_sync"}:
        model = DistributedDataParallel(whole, process_group=group)
    elif how == "fsdp":
        mesh = dist.DeviceMesh.from_group(group, "cpu")
        fully_shard(whole, mesh=mesh)
        group = mesh
    acc = GradientAccumulator(model, group=group, grad_reduce="sum" if how == "hand" else "mean", **tensors(options))
    losses = []
    for _ in range(steps):
        model.zero_grad()
        for k, (x, t) in enumerate(zip(inputs, targets, strict=True)):
            if how == "no_sync" and k < len(inputs) - 1:
                with model.no_sync():
                    acc.backward(model(torch.from_numpy(x)), torch.from_numpy(t))
            else:
                acc.backward(model(torch.from_numpy(x)), torch.from_numpy(t))
        losses.append(acc.divide().item())
        if how == "hand":
            for p in whole.parameters():
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                dist.all_reduce(p.grad, group=group)
    return losses, gradients(whole)


def bad_micro_batch(group, inputs, targets):
    """A step under DistributedDataParallel, for a bad label in a micro-batch."""
    from torch.nn.parallel import DistributedDataParallel

    model = DistributedDataParallel(net(), process_group=group)
    acc = GradientAccumulator(model, group=group)
    for x, t in zip(mine(group, inputs), mine(group, targets), strict=True):
        acc.backward(model(torch.from_numpy(x)), torch.from_numpy(t))
    return acc.divide().item()


def without_group(group):
    """What promises a count of the step, without a group."""
    said = []
    for make in (lambda: GradientAccumulator(net()), lambda: count_targets(torch.tensor([1]))):
        try:
            make()
        except ValueError as error:
            said.append(str(error))
    return said


def counted_over(group, batches, **options):
    """count_targets over the ranks."""
    return count_targets([torch.from_numpy(b) for b in mine(group, batches)], group=group, **tensors(options))


def wrong_groups(group):
    """What is said of things that are no group, or not this rank's."""
    from torch.nn.parallel import DistributedDataParallel

    said = []
    alone = dist.new_group([0])
    mesh = dist.init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "model"))
    for wrong in ("world", mesh, alone):
        try:
            count_targets([], group=wrong)
            said.append("nothing")
        except (ValueError, TypeError) as error:
            said.append(str(error))
    model = DistributedDataParallel(net())
    try:
        GradientAccumulator(model, group=mesh["data"])
    except ValueError as error:
        said.append(str(error))
    said.append(count_targets([torch.ones(1, dtype=torch.int64)], group=mesh["data"]))
    return said


def loss_with_own_options(group, logits, targets, smoothings):
    """`loss_over_ranks`, every rank with its own smoothing."""
    return loss_over_ranks(group, logits, targets, label_smoothing=mine(group, smoothings))


def vocab_parallel(group, logits, targets, upstream=1.0, **options):
    """(loss, gradient of this rank's classes): classes cut over the ranks; targets a list where they are cut too."""
    x = torch.from_numpy(mine(group, logits)).requires_grad_()
    t = torch.from_numpy(mine(group, targets) if isinstance(targets, list) else targets)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        loss = vocab_parallel_cross_entropy(x, t, group=group, **tensors(options))
    loss.backward(torch.full_like(loss, upstream))
    return loss.detach().numpy(), x.grad.numpy()


def vocab_parallel_dtensor(group, logits, targets):
    """(loss, whole gradient, what is said of rows that are sharded too) of a DTensor."""
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = dist.init_device_mesh("cpu", (dist.get_world_size(group),))
    x = distribute_tensor(torch.from_numpy(logits), mesh, [Shard(1)]).requires_grad_()
    loss = vocab_parallel_cross_entropy(x, torch.from_numpy(targets))
    loss.backward()
    both = dist.init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
    try:
        vocab_parallel_cross_entropy(
            distribute_tensor(torch.from_numpy(logits), both, [Shard(0), Shard(1)]), torch.from_numpy(targets)
        )
    except ValueError as error:
        return loss.detach().numpy(), x.grad.full_tensor().numpy(), str(error)


def whole_step(_group, grid, way, logits, targets, cuts, shards, *, local_smoothing=False, **options):
    """What this rank has of a step whose rows are cut over ranks and micro-batches, and whose classes over shards.

    cuts: the rows of every micro-batch, for every rank of rows. Returns a dictionary: "parts", the losses and gradients
    of its micro-batches, divided the given way; where classes are whole, "steps" and "calls": the same by
    GradientAccumulator and by one call with a group.
    """
    rows_group, shard_group = GRIDS[grid]
    own_cuts, options = cuts[dist.get_rank(rows_group)], tensors(options)
    pieces = [(torch.from_numpy(logits[lo:hi]), torch.from_numpy(targets[lo:hi])) for lo, hi in own_cuts]
    weight = {k: v for k, v in options.items() if k == "weight"}
    found: dict[str, Any] = {"parts": []}
    for (x, t), number in zip(pieces, way([t for _, t in pieces], rows_group, **weight), strict=True):
        if grid[1] == 1:
            x.requires_grad_()
            loss = cross_entropy(x, t, denominator=number or None, **options)
        else:
            ends = [0, *shards, x.shape[1]]
            s = dist.get_rank(shard_group)
            x = x[:, ends[s] : ends[s + 1]].clone().requires_grad_()  # noqa: PLW2901  # its shard alone
            with shard_smoothing(x.shape[1] if local_smoothing else None):
                loss = vocab_parallel_cross_entropy(x, t, group=shard_group, denominator=number or None, **options)
        loss.backward()
        found["parts"].append((loss.item(), x.grad.numpy()))
    if grid[1] == 1 and number:
        acc = GradientAccumulator([], group=rows_group, grad_reduce="sum", **options)
        for x, t in pieces:
            acc.backward(x.detach().requires_grad_(), t)
        found["step"] = acc.divide().item()
        x, t = (torch.cat([piece[k].detach() for piece in pieces]) for k in (0, 1))
        x.requires_grad_()
        loss = cross_entropy(x, t, group=rows_group, grad_reduce="sum", **options)
        loss.backward()
        found["call"] = loss.item(), x.grad.numpy()
    return found


@contextmanager
def shard_smoothing(classes):
    """Wrong: the smoothing is spread over a shard's own classes."""
    right = shard_kernels.Target.options
    if classes is not None:
        shard_kernels.Target.options = lambda self: (self.class_weight, self.smoothing, classes)
    try:
        yield
    finally:
        shard_kernels.Target.options = right


def die(_group):
    """Be killed, as by the machine."""
    os.kill(os.getpid(), signal.SIGKILL)
