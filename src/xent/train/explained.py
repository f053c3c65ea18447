"""What `xent explain` draws: numbers from the command line, a file, or a small real set with a layer in front."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError, OptionError
from xent.train.embedded import NAMES, embedded
from xent.train.same_steps import fit_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGITS = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]
TARGETS = [2, 0]
SUFFIXES = (".csv", ".npy", ".npz")
MOST_BYTES = 2**30
STEPS, RATE = 30, 0.5  # of the layer in front of a real set: some items are still wrong
TARGET_NAMES = ("targets", "target", "labels", "label", "class", "t", "y")
LOGIT_NAMES = ("logits", "x")


@dataclass
class Given:
    """The arguments of `xent.explain`."""

    logits: Any = field(default_factory=lambda: LOGITS)
    targets: Any = field(default_factory=lambda: TARGETS)
    options: dict[str, Any] = field(default_factory=dict)


def given(source: str | None, logits: str | None, targets: str | None, rows: int | None) -> Given:
    """The batch. OptionError, DataError."""
    if source is not None and logits is not None:
        raise OptionError(f"--logits does not go with {source}: a batch comes from one place.")
    if source in NAMES:
        if targets is not None:
            raise OptionError(f"--targets does not go with {source}: its classes are known.")
        return _of_set(source, 4 if rows is None else rows)
    batch = Given(title_free(logits), TARGETS) if source is None else _of_file(Path(source), targets is not None)
    if targets is not None:
        batch.targets = numbers("--targets", targets, one_row_is_a_list=True)
    elif source is None and logits is not None:
        raise OptionError("--logits needs --targets: one class a row, such as --targets '2 0'.")
    if rows is not None:
        batch.logits, batch.targets = batch.logits[:rows], batch.targets[:rows]
        weights = batch.options.get("sample_weight")
        if weights is not None:
            batch.options["sample_weight"] = weights[:rows]
    return batch


def title_free(logits: str | None) -> Any:  # noqa: ANN401 -- lists of numbers
    """The default batch, or the rows that were typed."""
    return LOGITS if logits is None else numbers("--logits", logits)


def numbers(option: str, text: str, *, one_row_is_a_list: bool = False) -> Any:  # noqa: ANN401 -- lists of numbers
    """Rows of numbers: '1 2 3; 3 2 1'. Commas are spaces. OptionError where a word is no number.

    >>> numbers("--logits", "1 2 3; 3 2 1"), numbers("--targets", "2, 0", one_row_is_a_list=True)
    ([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0])
    """
    rows = [
        [_number(option, word) for word in row.replace(",", " ").split()] for row in text.strip().strip(";").split(";")
    ]
    if not all(rows):
        raise OptionError(f"{option} is {text!r}: it has an empty row. Write rows like '1 2 3; 3 2 1'.")
    if one_row_is_a_list and ";" not in text:
        return [int(v) if v.is_integer() else v for v in rows[0]]
    return rows


def _number(option: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise OptionError(f"{option} holds {word!r}: it must be numbers, rows apart by semicolons.") from None


def _of_set(name: str, rows: int) -> Given:
    """Some rows of a real set, with a linear layer in front that has learned a little."""
    data = embedded(name)
    weight, bias = fit_softmax(data.features, data.classes, STEPS, RATE)
    chosen = np.unique(np.linspace(0, len(data.classes) - 1, min(rows, len(data.classes))).round().astype(int))
    options = {
        "linear_weight": weight, "linear_bias": bias, "class_names": data.class_names,
        "title": f"{name}, {len(chosen)} of {len(data.classes)} rows",
    }  # fmt: skip
    return Given(data.features[chosen], data.classes[chosen], options)


def _of_file(path: Path, has_targets: bool) -> Given:  # noqa: FBT001 -- one caller
    """A .csv, .npy or .npz file. DataError says why it cannot be used."""
    if not path.exists():
        known = f" It is no built-in set either: {', '.join(NAMES)}." if not path.suffix else ""
        raise DataError(f"there is no file {path}.{known}")
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} is no file that ends in {', '.join(SUFFIXES)}.")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes: at most {MOST_BYTES:,} are read.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    kind = path.suffix.lower()
    if kind == ".csv":
        return _of_csv(content, path.name, has_targets=has_targets)
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        arrays = {"logits": loaded} if kind == ".npy" else {key.lower(): loaded[key] for key in loaded.files}
    except Exception as error:  # noqa: BLE001 -- a damaged archive raises whatever it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{path.name} is no {kind} file that can be read: {reason}.") from None
    return _of_arrays(arrays, path.name, has_targets=has_targets)


def _of_arrays(arrays: Mapping[str, Any], name: str, *, has_targets: bool) -> Given:
    """Arrays by their names."""
    logits = next((arrays[key] for key in LOGIT_NAMES if key in arrays), None)
    targets = next((arrays[key] for key in TARGET_NAMES if key in arrays), None)
    if logits is None:
        raise DataError(f"{name} holds {', '.join(arrays) or 'nothing'}: expected an array called logits (or x).")
    if targets is None and not has_targets:
        raise DataError(f"{name} has no targets: give --targets '2 0 …', or an array called targets.")
    options: dict[str, Any] = {key: arrays[key] for key in ("weight", "sample_weight") if key in arrays}
    return Given(logits, targets, {**options, "title": name})


def _of_csv(content: bytes, name: str, *, has_targets: bool) -> Given:
    """A header and rows: one column called target (or class, label, …), one maybe called weight, the others logits."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name} is not UTF-8: save it so.") from None
    lines = text.splitlines()
    delimiter = max(",;\t", key=(lines or [""])[0].count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    if len(rows) < 2:  # noqa: PLR2004 -- header and one row
        raise DataError(f"{name} needs a header and at least one row.")
    header = [cell.strip() for cell in rows[0]]
    short = next((at for at, row in enumerate(rows, 1) if len(row) != len(header)), None)
    if short is not None:
        raise DataError(f"{name}: line {short} has {len(rows[short - 1])} cells, the header has {len(header)}.")
    lower = [cell.lower() for cell in header]
    goal = next((lower.index(word) for word in TARGET_NAMES if word in lower), None)
    if goal is None and not has_targets:
        raise DataError(
            f"{name} has no column called target: it has {', '.join(header)}.\n  Or give --targets '2 0 …'."
        )
    weight = lower.index("sample_weight") if "sample_weight" in lower else None
    columns = [at for at in range(len(header)) if at not in {goal, weight}]
    table = [[_cell(row[at], name, line, header[at]) for at in columns] for line, row in enumerate(rows[1:], 2)]
    options: dict[str, Any] = {"title": name, "class_names": [header[at] for at in columns]}
    if weight is not None:
        options["sample_weight"] = [
            _cell(row[weight], name, line, header[weight]) for line, row in enumerate(rows[1:], 2)
        ]
    if goal is None:
        return Given(table, None, options)
    names = [header[at] for at in columns]
    targets = []
    for line, row in enumerate(rows[1:], 2):
        word = row[goal].strip()
        targets.append(names.index(word) if word in names else _whole(word, name, line, header[goal]))
    return Given(table, targets, options)


def _cell(word: str, name: str, line: int, column: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise DataError(f"{name}: line {line} holds {word!r} in column {column}: a number is expected.") from None


def _whole(word: str, name: str, line: int, column: str) -> int:
    try:
        return int(word)
    except ValueError:
        expected = "the number of a class or the name of a column is expected"
        raise DataError(f"{name}: line {line} holds {word!r} in column {column}: {expected}.") from None
