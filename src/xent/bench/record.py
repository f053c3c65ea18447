"""The results of a run, to and from JSON: every round's time, and what follows from them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from xent.bench import stats
from xent.bench.machine import BUSY
from xent.bench.peers import COPIES, OURS, PEERS, PRODUCTS
from xent.bench.task import Task
from xent.core.errors import DataError, missing
from xent.fit.files import read_json, write, write_json

FORMAT = "xent bench"
VERSION = 1


@dataclass(frozen=True)
class Part:
    """The worst errors of one batch; None where there is none of the kind.

    loss      ULP of the loss' own dtype
    target    ULP of the gradient's dtype, at the targets
    others    the same everywhere else. Where the gradient is a difference (probability rows, smoothing), in ULP of
              mass * p + q, at all places; for a linear task, in ULP of the largest entry of its row
    """

    loss: float | None
    target: float | None
    others: float | None

    @property
    def worst(self) -> float:
        """The largest."""
        return max((value for value in (self.loss, self.target, self.others) if value is not None), default=math.nan)


@dataclass(frozen=True)
class Result:
    """One peer at one task.

    seconds   of a call, one number a round
    calls     in a visit; a round's time is their mean
    way       the way of calling that was the fastest, "" if there is one only
    extra     bytes of memory that a call takes at its peak; None if not measured
    ordinary, confident   errors on the two batches
    refused, failed       why there are no times
    """

    peer: str
    seconds: tuple[float, ...] = ()
    calls: int = 1
    way: str = ""
    extra: int | None = None
    ordinary: Part | None = None
    confident: Part | None = None
    refused: str | None = None
    failed: str | None = None

    @property
    def median(self) -> float:
        """Seconds a call takes."""
        return stats.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, as a part of the median."""
        return stats.spread(self.seconds)

    @property
    def worst(self) -> float | None:
        """The worst error of both batches, in ULP; None if not measured."""
        return max((part.worst for part in (self.ordinary, self.confident) if part is not None), default=None)


@dataclass(frozen=True)
class Measured:
    """All peers at one task.

    busy      share of the CPUs that others took, None if unknown
    skipped   why nothing ran
    """

    task: Task
    results: tuple[Result, ...] = ()
    busy: float | None = None
    skipped: str | None = None

    def of(self, peer: str) -> Result | None:
        """A peer's result, if it has times."""
        return next((each for each in self.results if each.peer == peer and each.seconds), None)

    @property
    def reference(self) -> Result | None:
        """The faster copy; of a linear task, its matrix products."""
        found = [each for each in map(self.of, (PRODUCTS,) if self.task.hidden else COPIES) if each is not None]
        return min(found, key=lambda each: each.median, default=None)

    def ratio(self, result: Result) -> float | None:
        """Its time over the reference's, round by round; None without a reference."""
        return None if self.reference is None else stats.ratio(result.seconds, self.reference.seconds)

    def faster(self, result: Result, than: Result) -> float:
        """How many times as fast as another."""
        return stats.ratio(than.seconds, result.seconds)

    @property
    def best_peer(self) -> Result | None:
        """The fastest that is not ours."""
        names = [peer.name for peer in PEERS if not peer.name.startswith(OURS)]
        found = [each for each in map(self.of, names) if each is not None]
        return min(found, key=lambda each: each.median, default=None)

    @property
    def is_busy(self) -> bool:
        """Whether others took so much of the CPUs that the times may be too long."""
        return self.busy is not None and self.busy > BUSY


@dataclass(frozen=True)
class Record:
    """A run. `peers`: by name label, call, versions or why it is missing."""

    started: str
    seconds: float
    command: str
    options: dict[str, Any]
    machine: dict[str, Any]
    peers: dict[str, dict[str, Any]]
    shapes: tuple[Measured, ...] = field(default=())

    def label(self, peer: str) -> str:
        """A peer's name for people."""
        return str(self.peers.get(peer, {}).get("label", peer))

    def missing(self) -> dict[str, str]:
        """Who could not take part at all, and why."""
        return {name: about["missing"] for name, about in self.peers.items() if about.get("missing")}

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; what follows from the times stands beside them for readers, and is not read back."""
        values = {"format": FORMAT, "version": VERSION, **asdict(self)}
        values["shapes"] = [_shape_to_dict(each) for each in self.shapes]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record again. DataError if it is none."""
        if values.get("format") != FORMAT or values.get("version") != VERSION:
            raise DataError(
                f"this is no result of `xent bench`, version {VERSION} of its format: "
                f"format {values.get('format')!r}, version {values.get('version')!r}."
            )
        try:
            kinds = {"started": str, "seconds": float, "command": str, "options": dict, "machine": dict, "peers": dict}
            for name, kind in kinds.items():
                if not isinstance(values[name], kind):
                    raise TypeError(f"{name} is {type(values[name]).__name__}, not {kind.__name__}")
            for name, about in values["peers"].items():
                about.get("label")
                if not all(isinstance(word, str) for word in about.get("versions", {}).values()):
                    raise TypeError(f"versions of {name}")
            shapes = tuple(_shape_from_dict(each) for each in values["shapes"])
            return cls(**{name: values[name] for name in kinds}, shapes=shapes)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"a damaged result of `xent bench`: {type(error).__name__}: {error}.") from None

    def save(self, path: Path) -> None:
        """Write .json, .html or .txt. DataError for another name, or a place that cannot be written."""
        if path.suffix == ".json":
            write_json(path, self.to_dict())
        elif path.suffix == ".html":
            try:
                from xent.bench.report import render
            except ImportError:
                raise missing("matplotlib", "cli") from None
            write(path, render(self))
        elif path.suffix == ".txt":
            write(path, str(self) + "\n")
        else:
            raise DataError(f"{path}: a result is saved as .json, .html or .txt.")

    @classmethod
    def load(cls, path: Path) -> Self:
        """A saved result. DataError."""
        try:
            return cls.from_dict(read_json(path))
        except DataError as error:
            raise DataError(str(error) if str(path) in str(error) else f"{path}: {error}") from None

    def __str__(self) -> str:
        """The table for a terminal."""
        from xent.bench.text import table

        return table(self)

    def _repr_html_(self) -> str:
        """For notebooks: the table, as it stands."""
        from xent._page import tag

        return str(tag("pre", str(self)))


def _shape_to_dict(measured: Measured) -> dict[str, Any]:
    reference = measured.reference
    return {
        "shape": measured.task.key,
        "task": measured.task.to_dict(),
        "reference": None if reference is None else reference.peer,
        "busy": measured.busy,
        "skipped": measured.skipped,
        "results": [_result_to_dict(measured, each) for each in measured.results],
    }


def _result_to_dict(measured: Measured, result: Result) -> dict[str, Any]:
    values = asdict(result)
    values["seconds"] = list(result.seconds)
    for name in ("ordinary", "confident"):
        if values[name] is not None:
            values[name] = {key: _number(value) for key, value in values[name].items()}
    if result.seconds:
        ratio = measured.ratio(result)
        values["derived"] = {
            "median": result.median,
            "spread": result.spread,
            "ratio": ratio,
            "ns_per_element": result.median / measured.task.elements * 1e9,
            "worst_ulp": _number(result.worst),
        }
    return values


def _shape_from_dict(values: dict[str, Any]) -> Measured:
    results = []
    for each in values["results"]:
        kept = {name: value for name, value in each.items() if name != "derived"}
        kept["seconds"] = tuple(map(float, kept["seconds"]))
        for name in ("ordinary", "confident"):
            if kept[name] is not None:
                kept[name] = Part(**{key: _from_number(value) for key, value in kept[name].items()})
        if not all(0 < second < math.inf for second in kept["seconds"]):
            raise ValueError(f"a time of {kept['peer']} is no positive number")
        results.append(Result(**kept))
    if len({len(each.seconds) for each in results if each.seconds}) > 1:
        raise ValueError(f"{values['shape']}: not everybody has a time for every round")
    return Measured(Task.from_dict(values["task"]), tuple(results), values["busy"], values["skipped"])


def _number(value: float | None) -> float | str | None:
    """A number that JSON can hold: infinity as the word."""
    return "inf" if value == math.inf else value


def _from_number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def peers_of(results: Sequence[Measured]) -> list[str]:
    """Everybody who has times anywhere, in the order of the table; references last."""
    names = [peer.name for peer in PEERS] + [*COPIES, PRODUCTS]
    found = {each.peer for measured in results for each in measured.results if each.seconds}
    return [name for name in names if name in found] + sorted(found - set(names))
