"""What the ranks of a group tell each other: exact sums, counts and errors, in one small collective at a time."""

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
import torch.distributed as dist

from xent.core import errors
from xent.core.batch import Total, ratio
from xent.core.spec import check_choice

LIMBS = 136  # 136·32 = 4352 bits: three factors of at most 2**1024 in units of 2**-1152, and 2**127 rows of them
TEXT = 1024  # bytes of what a rank says of itself, once something is wrong
DIGEST = 0xFFFF  # of the options: small, so that a sum of squares stays within int64
GRAD_REDUCE = ("mean", "sum")


@dataclass(frozen=True)
class Ranks:
    """The ranks of one process group, of which this process is one."""

    group: Any  # torch.distributed.ProcessGroup
    rank: int  # of this process, in the group
    size: int
    device: torch.device  # where a tensor has to lie to be sent

    @classmethod
    def of(cls, group: object) -> "Ranks":
        """The ranks of a ProcessGroup or of a DeviceMesh of one dimension. StateError, OptionError, KindError."""
        if not (dist.is_available() and dist.is_initialized()):
            raise errors.StateError(
                "group= was given, but there are no ranks yet: call torch.distributed.init_process_group first "
                "(torchrun sets its variables), or leave group out in a single process."
            )
        if isinstance(group, dist.DeviceMesh):
            if group.ndim != 1:
                names = group.mesh_dim_names or tuple(range(group.ndim))
                raise errors.OptionError(
                    f"group is a device mesh of {group.ndim} dimensions {names}: it must be one of them.\n"
                    f"  For example group=mesh[{names[0]!r}]."
                )
            group = group.get_group()
        if group == dist.GroupMember.NON_GROUP_MEMBER:
            raise errors.OptionError(
                f"this process (rank {dist.get_rank()}) is no member of the group that was given.\n"
                "  Pass the group that this rank is in; new_group returns it to its members only."
            )
        if not isinstance(group, dist.ProcessGroup):
            raise errors.bad_kind(
                "group", group, "a torch.distributed.ProcessGroup, or a DeviceMesh of one dimension",
                "All ranks: group=torch.distributed.group.WORLD.",
            )  # fmt: skip
        return cls(group, dist.get_rank(group), dist.get_world_size(group), _device_of(group))

    @property
    def members(self) -> list[int]:
        """The global ranks, in the group's order."""
        return dist.get_process_group_ranks(self.group)

    def add(self, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The sum over the ranks of some int64; one collective."""
        wire = torch.from_numpy(numbers).to(self.device)
        dist.all_reduce(wire, op=dist.ReduceOp.SUM, group=self.group)
        return wire.cpu().numpy()

    def gather(self, block: torch.Tensor) -> list[torch.Tensor]:
        """What every rank has to say, in rank order: tensors of one shape and dtype; one collective."""
        wire = block.contiguous().to(self.device)
        parts = [torch.empty_like(wire) for _ in range(self.size)]
        dist.all_gather(parts, wire, group=self.group)
        return [part.to(block.device) for part in parts]

    def texts(self, text: str) -> list[str]:
        """A text of every rank, cut to TEXT bytes; one collective."""
        said = np.zeros(TEXT, np.uint8)
        cut = text.encode()[:TEXT]
        said[: len(cut)] = np.frombuffer(cut, np.uint8)
        parts = self.gather(torch.from_numpy(said))
        return [bytes(part.numpy()).rstrip(b"\0").decode(errors="ignore") for part in parts]


def _device_of(group: dist.ProcessGroup) -> torch.device:
    """The CPU where a backend of the group takes its tensors, else the device that one takes."""
    kinds = [pair.split(":")[0] for pair in dist.get_backend_config(group).split(",")]
    if "cpu" in kinds:
        return torch.device("cpu")
    return torch.device(kinds[0], torch.accelerator.current_device_index())


def check_grad_reduce(grad_reduce: object) -> str:
    """How gradients are combined over the group: "mean" or "sum". OptionError, KindError."""
    return check_choice("grad_reduce", grad_reduce, GRAD_REDUCE)


def needs_group() -> None:
    """OptionError where there are other ranks, and nobody said over which of them to count."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        raise errors.OptionError(
            f"group is None, and there are {dist.get_world_size()} ranks: the count of one rank is not that of the "
            "step.\n  Pass the group over which gradients are combined, such as group=torch.distributed.group.WORLD."
        )


# ------------------------------------------------------------------------------------------------------------- wire
def limbs_of(number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A whole number of any sign as LIMBS digits of 32 bits, all of its sign: they may be added in int64.

    >>> limbs_of(-(2**32 + 5))[:3]
    array([-5, -1,  0])
    """
    digits = np.frombuffer(abs(number).to_bytes(4 * LIMBS, "little"), "<u4").astype(np.int64)
    return -digits if number < 0 else digits


def number_of(limbs: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """The whole number in some limbs, or in a sum of such.

    >>> number_of(limbs_of(-7) + limbs_of(2**40)) == 2**40 - 7
    True
    """
    return sum(limb << (32 * k) for k, limb in enumerate(limbs.tolist()) if limb)


def sums(ranks: Ranks, large: Sequence[int], small: Sequence[int]) -> tuple[list[int], list[int]]:
    """Exact sums over the ranks: numbers of up to 4352 bits and numbers of 63; one collective of a fixed size."""
    wire = np.concatenate([*(limbs_of(number) for number in large), np.array(small, np.int64)])
    added = ranks.add(wire)
    cuts = [added[k * LIMBS : (k + 1) * LIMBS] for k in range(len(large))]
    return [number_of(cut) for cut in cuts], added[len(large) * LIMBS :].tolist()


def add_totals(ranks: Ranks, total: Total) -> Total:
    """The total of all ranks, exact, the same on each; one collective."""
    counts = (total.plus_infinities, total.minus_infinities, total.nans, total.negative_weights)
    large, small = sums(ranks, (total.sum_units, total.weight_units), counts)
    return Total(*large, *small)


# ------------------------------------------------------------------------------------------------------------ count
@dataclass(frozen=True)
class Count:
    """What some targets count for: exact, so counts of parts add up."""

    weight_units: int = 0  # sum of the weights of the rows that count, in units of core.batch.GRID
    items: int = 0  # rows that are not ignored, whatever their weight
    rows: int = 0  # all of them

    def __add__(self, other: "Count") -> "Count":
        """The count of both."""
        return Count(self.weight_units + other.weight_units, self.items + other.items, self.rows + other.rows)

    def divisor(self, denominator: str | float) -> tuple[int, int]:
        """What a mean over them is divided by, as a ratio; (0, 1) where nothing counts."""
        if not isinstance(denominator, str):
            return denominator.as_integer_ratio()
        if denominator == "weights":
            return (self.weight_units, ONE) if self.weight_units else (0, 1)
        return (self.items if denominator == "items" else self.rows), 1


ONE = 1 << 1152  # a weight of 1 in units of core.batch.GRID


def number(divisor: tuple[int, int]) -> int | float:
    """A divisor as a number: whole where it is, else rounded once.

    >>> number((6, 2)), number((1, 2))
    (3, 0.5)
    """
    whole, rest = divmod(divisor[0], divisor[1])
    return whole if rest == 0 else ratio(*divisor)


# ------------------------------------------------------------------------------------------------------------ errors
class Trouble:
    """An error that waits until the other ranks have heard of it."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Keep what the block raises; the first error counts."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # it is raised on every rank, by `agree`
            self.error = self.error or error


def agree(
    ranks: Ranks, large: Sequence[int], small: Sequence[int], options: str, error: Exception | None
) -> tuple[list[int], list[int]]:
    """`sums`, once no rank has an error and all have the same options; one collective.

    Otherwise the first rank's error (or an OptionError) is raised on every rank, with the rank in its text, after a
    second collective.
    """
    digest = zlib.crc32(options.encode()) & DIGEST
    added, (failed, digests, squares, *rest) = sums(ranks, large, (int(error is not None), digest, digest**2, *small))
    if failed:
        raise_together(ranks, error)
    if ranks.size * squares != digests * digests:  # equal only if all digests are (Cauchy and Schwarz)
        said = ranks.texts(options)
        other = next(k for k, text in enumerate(said) if text != said[0])
        raise errors.OptionError(
            f"the ranks of the group were given different options: rank 0 {said[0]}, rank {other} {said[other]}.\n"
            "  A loss over ranks needs the same options on each of them."
        )
    return added, rest


def raise_together(ranks: Ranks, error: Exception | None) -> NoReturn:
    """Raise the error of the first rank that has one, on every rank."""
    said = ranks.texts("" if error is None else f"{type(error).__name__}\n{error}")
    failed = [rank for rank, text in enumerate(said) if text]
    kind, _, text = said[failed[0]].partition("\n")
    more = ""
    if others := failed[1:]:
        more = f"\n  Rank{'s' * (len(others) > 1)} {', '.join(map(str, others))} raised an error too."
    raise _kinds().get(kind, RuntimeError)(f"rank {failed[0]} of {ranks.size}: {text}{more}") from error


def _kinds() -> dict[str, type[Exception]]:
    """Every kind of error that a call may raise, by name."""
    found: dict[str, type[Exception]] = {}
    left: list[type[Exception]] = [errors.XentError, ValueError, TypeError, IndexError, NotImplementedError]
    while left:
        kind = left.pop()
        found[kind.__name__] = kind
        left += kind.__subclasses__() if issubclass(kind, errors.XentError) else []
    return found


def gradient_factor(ranks: Ranks | None, grad_reduce: str) -> int:
    """What this rank's gradient is multiplied by, so that combining it over the ranks gives the sum over them."""
    return ranks.size if ranks is not None and grad_reduce == "mean" else 1


def nearest_power(value: float) -> float:
    """The power of two nearest to a number > 0, in its logarithm.

    >>> nearest_power(3.0), nearest_power(0.3), nearest_power(1.0)
    (4.0, 0.25, 1.0)
    """
    return 2.0 ** round(math.log2(value))
