"""`xent.plan`: which kernel a call gets, and why, in words. Nothing is computed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from xent import _door
from xent._call import rows_of, spec_of
from xent._kernels.cpu import fast, launch, split
from xent._kernels.cpu.layout import Reader
from xent._kernels.cpu.rows import SKIPPED
from xent.core.spec import quotes_options


class Plan(NamedTuple):
    """What a call will do; printed, its sentences."""

    kernel: str  # "narrow", "wide", "long", "soft" or "rows"
    threads: int
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)


@quotes_options
def plan(
    logits: ArrayLike,
    targets: ArrayLike,
    /,
    *,
    weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = -100,
    label_smoothing: float = 0.0,
    axis: int = -1,
    lse_square_scale: float = 0.0,
    softcap: float | None = None,
    logit_scale: float = 1.0,
    returns: tuple[str, ...] = (),
    threads: int | None = None,
) -> Plan:
    """Which kernel `value_and_grad` runs for this call, and why; the arguments are checked as there.

    The kernel depends on the dtype, the number of classes and the options alone, never on the number of rows: so a
    row's bits do not depend on the rows beside it.

    Args:
        logits: (..., V), as in `cross_entropy`. Only looked at.
        targets: class indices or probability rows, as in `cross_entropy`. Read.
        <options>

    Returns:
        Plan: kernel (a name), threads (how many at most), sentences; print it.

    Raises:
        TargetError, ShapeError, KindError, OptionError: as `cross_entropy`.

    Example:
        >>> print(plan(np.zeros((100, 10), np.float32), np.zeros(100, int), threads=1))
        narrow: 10 classes: SIMD across the rows, each lane a row.
        1 thread: 1000 logits.
    """
    # fmt: off
    spec = spec_of(ignore_index, label_smoothing, "mean", axis, lse_square_scale, softcap, logit_scale, returns,
                   threads)
    # fmt: on
    batch = _door.receive(logits, targets, weight, sample_weight, spec)
    given = rows_of(batch, spec, np.ones(batch.rows))
    classes, size = batch.logits.shape[-1], batch.rows * batch.logits.shape[-1]
    counts = int(np.count_nonzero(given.classes != SKIPPED))
    (choice, _), *ways = launch.ways_of(batch.logits.dtype.name, classes, given)
    direct, limit = Reader(batch.logits, batch.dtype).direct, threads or launch.available()
    shared = direct and split.worth_it(choice.kernel, batch.rows, classes, limit)
    many = limit if shared else len(launch.cut_rows(batch.rows, classes, threads))
    said = [f"{choice.kernel}: {choice.why}.", f"{many} thread{'s' * (many > 1)}: {size} logits."]
    if shared:
        said.append("Few rows of very many classes: one after the other, each by all threads.")
    for way, mask in ways:
        said.append(f"{np.count_nonzero(mask)} of {counts} rows are done apart, by {way.kernel}: {way.why}.")
    if choice.kernel != "rows" and fast.past_the_cache(size * batch.dtype.itemsize, classes):
        said.append("The gradient is larger than the cache: it is written past it.")
    if not direct:
        said.append("The logits are not C-contiguous, aligned, of native byte order: they are copied in pieces.")
    if set(spec.returns) - {"sum", "denominator", "z_loss"} and choice.kernel != "rows":
        said.append("What `returns` asks for is computed by the kernel rows, before the loss.")
    return Plan(choice.kernel, many, tuple(said))
