"""What a check of a drawing found: how many numbers, the worst error, and every wrong one with its place."""

from dataclasses import dataclass, field

from xent.graph.model import Cell


@dataclass(frozen=True, slots=True)
class Wrong:
    """A number of the drawing that is not what the definition gives."""

    where: str  # "∂x0[2]", "L", "∂l1 (edge to divide)"
    name: str  # the node, or the source of the edge
    target: str  # the other end of the edge, "" for a node
    what: str  # "value", "gradient", "divisor", "factor"
    cell: Cell
    shown: float
    right: float

    def __str__(self) -> str:
        """One line."""
        return f"{self.where} is drawn as {self.shown:.6g}: it is {self.right:.6g}"


@dataclass(slots=True)
class Check:
    """What came of a check."""

    numbers: int = 0
    worst: float = 0.0  # largest relative error of a number that is right
    wrong: list[Wrong] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)  # where no finite difference exists, and why

    @property
    def ok(self) -> bool:
        """Whether no number is wrong."""
        return not self.wrong

    def __bool__(self) -> bool:
        """As `ok`."""
        return self.ok

    def __str__(self) -> str:
        """What a person is told."""
        if self.wrong:
            more = [f"  … and {len(self.wrong) - 5} more"] if len(self.wrong) > 5 else []  # noqa: PLR2004 -- lines
            head = f"✗ {len(self.wrong)} of {self.numbers} numbers are wrong"
            return "\n".join([head, *(f"  {wrong}" for wrong in self.wrong[:5]), *more])
        text = f"✓ all {self.numbers} numbers agree with finite differences (worst error {self.worst:.0e})"
        if self.undecided:
            text += f"\n  {len(self.undecided)} have none to compare with: {self.undecided[0]}"
        return text

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        names = ("where", "name", "target", "what", "cell", "shown", "right")
        return {
            "ok": self.ok,
            "numbers": self.numbers,
            "worst": self.worst,
            "wrong": [{name: getattr(each, name) for name in names} for each in self.wrong],
            "undecided": self.undecided,
        }
