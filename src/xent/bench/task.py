"""What is computed: the shape, the dtype, the targets, and where the gradient goes. A frozen record; JSON holds it."""

from dataclasses import asdict, dataclass
from typing import Any, Self

SMOOTHING = 0.1
"""Label smoothing of the task "smoothing"."""
HALF_SCALE = 32768.0
"""What a float16 gradient is multiplied by, as loss scalers do: p/65536 would round to 0. (65536 is no float16.)"""

DTYPES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}  # bytes
TARGETS = ("indices", "smoothing", "rows")
WRITES = ("out", "new", "inplace")


@dataclass(frozen=True, slots=True)
class Task:
    """The mean loss of a batch, and its gradient by the logits (by hidden and weight, if `hidden` > 0).

    >>> task = Task(65536, 1000)
    >>> task.name, task.key, task.elements, task.nbytes
    ('65536 × 1000', '65536x1000', 65536000, 262144000)
    >>> Task(1024, 128000, hidden=2048).name
    '1024 × 2048 × 128000'
    """

    rows: int
    classes: int
    hidden: int = 0  # width D of the layer before the logits; 0: the logits are given
    dtype: str = "float32"
    targets: str = "indices"
    gradient: bool = True  # False: the loss only
    write: str = "out"  # where those who can, write the gradient: a given array, a new one, over the logits

    @property
    def sizes(self) -> tuple[int, ...]:
        """N, V; or N, D, V."""
        return (self.rows, self.hidden, self.classes) if self.hidden else (self.rows, self.classes)

    @property
    def name(self) -> str:
        """For people."""
        return " × ".join(map(str, self.sizes))

    @property
    def key(self) -> str:
        """For the command line and for JSON."""
        return "x".join(map(str, self.sizes))

    @property
    def elements(self) -> int:
        """Logits."""
        return self.rows * self.classes

    @property
    def nbytes(self) -> int:
        """Of the logits."""
        return self.elements * DTYPES[self.dtype]

    @property
    def scale(self) -> float:
        """What the gradient is multiplied by."""
        return HALF_SCALE if self.dtype == "float16" else 1.0

    @property
    def soft(self) -> bool:
        """Whether every class of a row has a share of its target."""
        return self.targets != "indices"

    def words(self) -> str:
        """What is computed, without the shape.

        >>> Task(1, 2).words(), Task(1, 2, dtype="float16", targets="smoothing", gradient=False).words()
        ('float32, class indices: loss and gradient', 'float16, label smoothing 0.1: loss only')
        """
        kind = {"indices": "class indices", "smoothing": f"label smoothing {SMOOTHING}"}.get(
            self.targets, "probability rows"
        )
        return f"{self.dtype}, {kind}: {'loss and gradient' if self.gradient else 'loss only'}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The task again."""
        return cls(**values)
