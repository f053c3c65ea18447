"""What PyTorch raises where PyTorch raises: the package's errors, which are PyTorch's types too.

Beside each its second type:

    OptionError  ── SmoothingError (RuntimeError)           IgnoreIndexError (RuntimeError)
    KindError    ── InputKindError (NotImplementedError)    TargetKindError (RuntimeError)
    ShapeError   ── TensorShapeError (RuntimeError)         NoClassError (IndexError)
    TargetError  ── TargetIndexError (IndexError)
"""

from xent.core import errors
from xent.core.errors import KindError, OptionError, ShapeError, TargetError

__all__ = [
    "IgnoreIndexError",
    "InputKindError",
    "NoClassError",
    "SmoothingError",
    "TargetIndexError",
    "TargetKindError",
    "TensorShapeError",
]

INPUTS = "float16, bfloat16, float32 or float64"


class SmoothingError(OptionError, RuntimeError):
    """Label smoothing above 1."""


class IgnoreIndexError(OptionError, RuntimeError):
    """An ignore_index with probability targets."""


class InputKindError(KindError, NotImplementedError):
    """Logits that are no floats."""


class TargetKindError(KindError, RuntimeError):
    """Targets, or weights, of a dtype that is not taken."""


class TensorShapeError(ShapeError, RuntimeError):
    """Shapes that do not fit together, where PyTorch's own check is one of its kernel's."""


class NoClassError(ShapeError, IndexError):
    """Logits without a class."""


class TargetIndexError(TargetError, IndexError):
    """A target that is no class."""


def smoothing(came: float) -> SmoothingError:
    """Label smoothing above 1.

    >>> print(smoothing(1.5))
    label_smoothing is 1.5: it must be a number in [0, 1].
    """
    return SmoothingError(f"label_smoothing is {came!r}: it must be a number in [0, 1].")


def input_kind(dtype: object) -> InputKindError:
    """Logits that are no floats.

    >>> print(input_kind("torch.int64"))
    input has dtype torch.int64: it must be float16, bfloat16, float32 or float64.
      If these are logits: input.float().
    """
    return InputKindError(f"input has dtype {dtype}: it must be {INPUTS}.\n  If these are logits: input.float().")


def target_kind(dtype: object, *, hint: bool) -> TargetKindError:
    """Class indices that are no integers."""
    text = f"target has dtype {dtype}: it must be an integer dtype for class indices, or floats of the input's shape"
    return TargetKindError(f"{text} for probabilities." + hint * "\n  If they are whole numbers: target.long().")


def one_hot(dtype: object) -> TargetKindError:
    """Integers of the input's shape: never guessed."""
    return TargetKindError(
        f"target has the input's shape and dtype {dtype}: it looks like one-hot.\n"
        "  Pass target.argmax(axis) for class indices, or floats for probabilities: target.to(input.dtype)."
    )


def target_shape(
    came: tuple[int, ...], logits: tuple[int, ...], batch: tuple[int, ...], axis: int
) -> TensorShapeError | ShapeError:
    """Targets that fit neither form: ValueError where the number of rows differs, else RuntimeError too, as PyTorch."""
    hint = ""
    if came == (*batch, 1):
        hint = f"\n  Drop the last axis: target[{', '.join([':'] * len(batch) + ['0'])}]."
    elif len(logits) > 2 and came == logits[:-1] and axis == 1:  # noqa: PLR2004  # a batch of sequences
        hint = "\n  The class axis is the second one; if yours is the last, pass axis=-1."
    kind = TensorShapeError if len(came) >= len(batch) and came[:1] == batch[:1] else ShapeError
    return kind(
        f"target has shape {came}, input {logits}: class indices must have shape {batch}, "
        f"probabilities the input's shape.{hint}"
    )


def wrong_shape(name: str, came: tuple[int, ...], allowed: tuple[int, ...], words: str) -> TensorShapeError:
    """A tensor of the wrong shape.

    >>> print(wrong_shape("weight", (2,), (3,), "one weight a class"))
    weight has shape (2,): it must have shape (3,), one weight a class.
    """
    return TensorShapeError(f"{name} has shape {came}: it must have shape {allowed}, {words}.")


def weight_kind(name: str, dtype: object) -> TargetKindError:
    """Weights that are no numbers."""
    return TargetKindError(f"{name} has dtype {dtype}: it must be an integer or a float dtype.")


def other_device(name: str, came: object, device: object) -> TargetKindError:
    """Tensors on different devices."""
    return TargetKindError(f"{name} is on {came}, input on {device}: both must be on one device.")


def no_classes(shape: tuple[int, ...]) -> NoClassError:
    """Logits without a class, and a target that would need one."""
    return NoClassError(f"input has shape {shape}: the class axis must hold at least one class.")


def targets_out_of_range(
    count: int, rows: int, where: tuple[int, ...], came: int, classes: int, ignore_index: int | None
) -> TargetIndexError:
    """Class indices that name no class; `where` and `came` are of the first.

    >>> print(targets_out_of_range(1, 8, (1,), 7, 5, -100))
    1 of 8 targets is out of range, first target[1] = 7: with 5 classes a target must lie in [0, 4] or equal
    ignore_index (-100).
      If 7 marks padding, pass ignore_index=7.
    """
    return TargetIndexError(str(errors.targets_out_of_range(count, rows, where, came, classes, ignore_index, "target")))


def ignored_probabilities(came: int | None) -> IgnoreIndexError:
    """An ignore_index with probability targets."""
    return IgnoreIndexError(
        f"ignore_index is {came!r}: it must be None or -100 with probability targets.\n"
        "  A row of zeros adds nothing to the loss; or pass sample_weight with 0 in the rows to be left out."
    )
