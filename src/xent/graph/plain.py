"""Arrays of any library, and lists, as rows of Python floats: without importing the library they come from."""

import math
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

from xent.core import errors

FLOATS = ("float16", "bfloat16", "float32", "float64")
TAKEN = "float16, bfloat16, float32 or float64"
Shape = tuple[int, ...]


def dtype_name(came: object) -> str:
    """The dtype in NumPy's words, "" for what has none (a list).

    >>> dtype_name([1.0])
    ''
    """
    dtype = getattr(came, "dtype", None)
    return "" if dtype is None else str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def nested(name: str, came: Any) -> Any:  # noqa: ANN401 -- lists in lists, or a number
    """Lists in lists of Python numbers. KindError for a masked array."""
    if hasattr(came, "filled") and hasattr(came, "mask"):
        raise errors.masked(name)
    if hasattr(came, "tolist"):
        return came.tolist()
    if not isinstance(came, (list, tuple)) and hasattr(came, "__array__"):
        return came.__array__().tolist()
    return came


def shape_of(name: str, came: Any) -> Shape:  # noqa: ANN401 -- as nested
    """The shape of an array, or of lists in lists. ShapeError where their lengths differ."""
    if hasattr(came, "shape"):
        return tuple(int(n) for n in came.shape)
    if not isinstance(came, (list, tuple)):
        return ()
    below = {shape_of(name, part) for part in came}
    if len(below) > 1:
        raise errors.ShapeError(
            f"{name} is a {type(came).__name__} whose parts differ in length: all rows must have one length."
        )
    return (len(came), *(below.pop() if below else ()))


def flat(came: Any, depth: int) -> list[Any]:  # noqa: ANN401 -- as nested
    """The numbers of lists in lists `depth` deep, in C order.

    >>> flat([[1, 2], [3, 4]], 2), flat(5, 0)
    ([1, 2, 3, 4], [5])
    """
    level = [came]
    for _ in range(depth):
        level = [part for each in level for part in each]
    return level


def reals(name: str, values: Sequence[Any]) -> list[float]:
    """Numbers as floats, exact. KindError for what is no real number."""
    if values and all(type(value) is float for value in values):
        return values if isinstance(values, list) else list(values)
    for value in values:
        if isinstance(value, bool) or not (isinstance(value, numbers.Real) or _is_half(value)):
            raise errors.bad_kind(f"an entry of {name}", value, "a real number")
    return [float(value) for value in values]


def whole(value: object) -> bool:
    """Whether this is a whole number by its type, and no bool.

    >>> whole(3), whole(3.0), whole(True)
    (True, False, False)
    """
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_half(value: object) -> bool:
    """A scalar of a half type, which Python does not know for a real number."""
    return type(value).__name__ in FLOATS


def own(came: Any) -> Any:  # noqa: ANN401 -- as nested
    """A copy of a matrix, which the caller may change; what cannot be changed is itself."""
    if isinstance(came, (list, tuple)):
        return [list(row) if isinstance(row, list) else row for row in came]
    copy = getattr(came, "copy", None) or getattr(came, "clone", None)
    return came if copy is None else copy()


class Table:
    """Rows of real numbers behind one face: an array (read row by row, never copied whole), or lists.

    came    numbers with at least one axis. Read when a row is asked for.
    axis    the axis that runs along a row; all others, in C order, number the rows.
    """

    def __init__(self, name: str, came: Any, axis: int = -1) -> None:  # noqa: ANN401 -- an array of any library
        """KindError, ShapeError, OptionError where this is no such table."""
        dtype = dtype_name(came)
        if dtype and dtype not in FLOATS:
            if dtype == "object":
                raise errors.wrong_dtype(name, dtype, "numbers in one rectangular array")
            hint = f"If these are {name}: {name}.astype(np.float32)." * ("int" in dtype)
            raise errors.wrong_dtype(name, dtype, TAKEN, hint)
        came = came if hasattr(came, "shape") and hasattr(came, "tolist") else nested(name, came)
        if hasattr(came, "filled") and hasattr(came, "mask"):
            raise errors.masked(name)
        self.name = name
        self.shape = shape_of(name, came)
        if not self.shape:
            raise errors.no_axis(()) if _is_number(came) else errors.bad_kind(name, came, "an array of numbers")
        if not -len(self.shape) <= axis < len(self.shape):
            allowed = f"in [{-len(self.shape)}, {len(self.shape) - 1}] for {name} of shape {self.shape}"
            raise errors.bad_option("axis", axis, allowed)
        self.axis = axis % len(self.shape)
        self.width = self.shape[self.axis]
        self.batch = (*self.shape[: self.axis], *self.shape[self.axis + 1 :])
        self.count = math.prod(self.batch)
        self._two = len(self.shape) == 2 and self.axis == 1  # noqa: PLR2004 -- rows and columns
        self._came = own(came) if self._two else flat(nested(name, came), len(self.shape))

    def __getitem__(self, i: int) -> list[float]:
        """Row i, as floats."""
        if self._two:
            return reals(self.name, nested(self.name, self._came[i]))
        step = math.prod(self.shape[self.axis + 1 :])
        start = i // step * step * self.width + i % step
        return reals(self.name, self._came[start : start + step * self.width : step])

    def __iter__(self) -> Iterator[list[float]]:
        """Every row."""
        return map(self.__getitem__, range(self.count))


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) or hasattr(value, "dtype")


def place(flat_index: int, shape: Shape) -> Shape:
    """The index of an element by its number in C order.

    >>> place(5, (2, 3))
    (1, 2)
    """
    where = []
    for size in reversed(shape):
        where.append(flat_index % size)
        flat_index //= size
    return tuple(reversed(where))
