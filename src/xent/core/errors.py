"""Every exception and warning of the package; what they say is written where they are built.

A message says what came, where, what is allowed, and what to do.

    Exception
    └── XentError
        ├── OptionError   (ValueError)   an option has a value that is not allowed
        ├── KindError     (TypeError)    an argument is of the wrong kind: type or dtype
        ├── ShapeError    (ValueError)   shapes do not fit together
        ├── TargetError   (ValueError)   a target is not a class, or not a probability
        ├── DataError     (ValueError)   a file or a table cannot be used
        ├── StateError    (RuntimeError) something was asked for before it could be there
        └── MissingError  (ImportError)  an optional package is not installed
    UserWarning
    ├── EmptyBatchWarning                a mean over nothing: 0 was returned
    └── InterpretedWarning               Numba is missing: kernels run as plain Python
"""

import sys
import warnings


class XentError(Exception):
    """Whatever xent itself raises."""


class OptionError(XentError, ValueError):
    """An option has a value that is not allowed."""


class KindError(XentError, TypeError):
    """An argument is of the wrong kind: its type or its dtype."""


class ShapeError(XentError, ValueError):
    """Shapes that do not fit together."""


class TargetError(XentError, ValueError):
    """A target that is not a class, or not a probability."""


class DataError(XentError, ValueError):
    """A file or a table that cannot be used."""


class StateError(XentError, RuntimeError):
    """Something was asked for before it could be there."""


class MissingError(XentError, ImportError):
    """An optional package that is not installed."""


class EmptyBatchWarning(UserWarning):
    """The mean over a batch in which nothing counts: 0 was returned."""


class InterpretedWarning(UserWarning):
    """Numba is missing: the kernels run as plain Python, right but slow."""


def warn(warning: Warning) -> None:
    """Give a warning that points at the first line outside the package that led to it."""
    package, frame, level = __name__.partition(".")[0], sys._getframe(1), 2  # noqa: SLF001  # as warnings.py does
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(warning, stacklevel=level)


def shortened(came: object, width: int) -> str:
    """The repr of what came, cut to `width` characters.

    >>> shortened("a" * 50, 12)
    "'aaaaaaaa..."
    """
    shown = repr(came)
    return shown if len(shown) <= width else shown[: width - 3] + "..."


def missing(package: str, extra: str) -> MissingError:
    """What to install.

    >>> print(missing("rich", "cli"))
    this needs the package rich, which is not installed: pip install "xent[cli]"
    """
    return MissingError(f'this needs the package {package}, which is not installed: pip install "xent[{extra}]"')


def bad_option(name: str, came: object, allowed: str, hint: str = "") -> OptionError:
    """An option whose value is not allowed.

    >>> print(bad_option("label_smoothing", -0.1, "a number in [0, 1]"))
    label_smoothing is -0.1: it must be a number in [0, 1].
    """
    return OptionError(f"{name} is {came!r}: it must be {allowed}." + (f"\n  {hint}" if hint else ""))


def bad_kind(name: str, came: object, allowed: str, hint: str = "") -> KindError:
    """An option of the wrong type.

    >>> print(bad_kind("threads", "two", "None or a whole number >= 1"))
    threads is a str, 'two': it must be None or a whole number >= 1.
    """
    shown = shortened(came, 60)
    article = "an" if type(came).__name__[0] in "aeiou" else "a"
    text = f"{name} is {article} {type(came).__name__}, {shown}: it must be {allowed}."
    return KindError(text + (f"\n  {hint}" if hint else ""))


def divisor_out_of_range(number: float) -> OptionError:
    """A denominator whose reciprocal is no float64.

    >>> print(divisor_out_of_range(float("inf")))
    the mean would be divided by inf: the sum of the weights, or the denominator, must lie in [2**-1000, 2**1024).
      Multiply all weights by one number: the mean does not change.
    """
    return OptionError(
        f"the mean would be divided by {number!r}: the sum of the weights, or the denominator, must lie in "
        "[2**-1000, 2**1024).\n  Multiply all weights by one number: the mean does not change."
    )


def negative_total(count: int) -> OptionError:
    """The mean of a total with negative weights."""
    return OptionError(
        f"{count} {'row has' if count == 1 else 'rows have'} a negative sample_weight: the sum of such weights is no "
        "denominator.\n  Read total.sum, or divide by a number: total.loss_over(D)."
    )


def empty_batch() -> EmptyBatchWarning:
    """The mean over nothing."""
    return EmptyBatchWarning(
        "nothing in this batch counts (no rows, or every row is ignored or has weight 0): the mean is 0.\n"
        "  Where empty micro-batches are expected, pass the whole batch's count as denominator=."
    )


def not_a_total(record: object, grid: int) -> DataError:
    """A dictionary that `Total.to_dict` did not write."""
    return DataError(f"this is not what Total.to_dict() wrote (grid {grid}): {shortened(record, 200)}")


def targets_out_of_range(
    count: int,
    rows: int,
    where: tuple[int, ...],
    came: int,
    classes: int,
    ignore_index: int | None,
    name: str = "targets",
) -> TargetError:
    """Class indices that name no class; `where` and `came` are of the first, `name` is that of the argument.

    >>> print(targets_out_of_range(1, 8, (1,), 7, 5, -100))
    1 of 8 targets is out of range, first targets[1] = 7: with 5 classes a target must lie in [0, 4] or equal
    ignore_index (-100).
      If 7 marks padding, pass ignore_index=7.
    """
    place = f"{name}[{', '.join(map(str, where))}]" if where else name
    ignored = "" if ignore_index is None else f" or equal ignore_index ({ignore_index})"
    allowed = f"with {classes} classes a target must lie in [0, {classes - 1}]"
    if classes == 1:
        allowed = "with 1 class a target must be 0"
    return TargetError(
        f"{count} of {rows} targets {'is' if count == 1 else 'are'} out of range, first {place} = {came}: "
        f"{allowed}{ignored}.\n  If {came} marks padding, pass ignore_index={came}."
    )


def bad_probability(count: int, where: tuple[int, ...], came: float) -> TargetError:
    """Target probabilities that are negative, NaN or infinite; `where` and `came` are of the first."""
    place = f"targets[{', '.join(map(str, where))}]"
    return TargetError(
        f"{count} target {'probability is' if count == 1 else 'probabilities are'} negative, NaN or infinite, "
        f"first {place} = {came!r}: a probability row holds finite numbers >= 0 (of any sum)."
    )


def interpreted() -> InterpretedWarning:
    """Numba cannot be imported."""
    return InterpretedWarning(
        "Numba is not installed (it may have no wheel for this Python): xent runs its kernels as plain Python, right "
        "but some hundred times slower."
    )


def too_large_to_interpret(size: int, limit: int) -> XentError:
    """More than plain Python does in reasonable time."""
    return XentError(
        f"{size} elements are too many for kernels that run as plain Python (at most {limit}): "
        "install Numba, or switch its JIT on (NUMBA_DISABLE_JIT=0)."
    )


def wrong_dtype(name: str, came: object, allowed: str, hint: str = "") -> KindError:
    """An array of a dtype that is not taken.

    >>> print(wrong_dtype("logits", "int64", "float32 or float64"))
    logits has dtype int64: it must be float32 or float64.
    """
    return KindError(f"{name} has dtype {came}: it must be {allowed}." + (f"\n  {hint}" if hint else ""))


def masked(name: str) -> KindError:
    """A masked array."""
    return KindError(
        f"{name} is a masked array, whose mask would be lost: it must be a plain array.\n"
        "  Mark rows to be left out with ignore_index or a sample_weight of 0."
    )


def no_classes(shape: tuple[int, ...]) -> ShapeError:
    """Logits without a class."""
    return ShapeError(f"logits has shape {shape}: the class axis must hold at least one class.")


def no_axis(shape: tuple[int, ...]) -> ShapeError:
    """A single logit."""
    return ShapeError(f"logits has shape {shape}: it needs a class axis.\n  One row of V logits has shape (V,).")


def wrong_target_shape(came: tuple[int, ...], logits: tuple[int, ...], batch: tuple[int, ...], axis: int) -> ShapeError:
    """Targets that fit neither form.

    >>> print(wrong_target_shape((8, 1), (8, 3), (8,), 1))
    targets has shape (8, 1), logits (8, 3): class indices must have shape (8,), probabilities the logits' shape.
      Drop the last axis: targets[:, 0].
    """
    hint = ""
    if came == (*batch, 1):
        hint = f"\n  Drop the last axis: targets[{', '.join([':'] * len(batch) + ['0'])}]."
    elif came == (logits[0], *logits[2:]) and axis == len(logits) - 1:
        hint = "\n  If the class axis is the second one, as in PyTorch, pass axis=1."
    return ShapeError(
        f"targets has shape {came}, logits {logits}: class indices must have shape {batch}, "
        f"probabilities the logits' shape.{hint}"
    )


def wrong_targets(dtype: object, *, floats: bool) -> KindError:
    """Class indices that are not integers."""
    hint = "If they are whole numbers: targets.astype(int)." if floats else ""
    return wrong_dtype("targets", dtype, "an integer dtype for class indices (or floats of the logits' shape)", hint)


def looks_like_one_hot(dtype: object) -> KindError:
    """Integers of the logits' shape: never guessed."""
    return KindError(
        f"targets has the logits' shape and dtype {dtype}: it looks like one-hot.\n"
        "  Pass targets.argmax(axis) for class indices, or floats for probabilities: targets.astype(logits.dtype)."
    )


def wrong_shape(name: str, came: tuple[int, ...], allowed: tuple[int, ...], words: str) -> ShapeError:
    """An array of the wrong shape.

    >>> print(wrong_shape("weight", (2,), (3,), "one weight a class"))
    weight has shape (2,): it must have shape (3,), one weight a class.
    """
    return ShapeError(f"{name} has shape {came}: it must have shape {allowed}, {words}.")


def bad_entry(name: str, where: tuple[int, ...], came: object, count: int, words: str) -> OptionError:
    """An array with entries that are not allowed; `where` and `came` are of the first.

    >>> print(bad_entry("weight", (1,), -2.0, 1, "a class weight must be >= 0"))
    weight[1] = -2.0: a class weight must be >= 0.
    """
    more = f" ({count} entries are not)" if count > 1 else ""
    return OptionError(f"{name}[{', '.join(map(str, where))}] = {came!r}: {words}{more}.")


def bad_out(words: str) -> OptionError:
    """An `out` that cannot take a gradient."""
    return OptionError(
        f"out {words}.\n"
        "  Pass the logits themselves, or a writable array of their shape and dtype that overlaps nothing."
    )
