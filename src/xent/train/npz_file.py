"""An .npz file of NumPy arrays as a table: features and classes, maybe pictures, maybe test rows of its own."""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError
from xent.fit.cells import polars
from xent.fit.files import first_line

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

FEATURES, CLASSES = ("x", "data", "features", "images"), ("y", "target", "targets", "label", "labels")
NAMED = "an array of features (X, data, features or images) and one of classes (y, target or labels)"
_SPLIT = {"x_train", "y_train", "x_test", "y_test"}


@dataclass(frozen=True)
class Arrays:
    """What an .npz file holds."""

    frame: pl.DataFrame  # x0, x1, … and, where it is there, the class column
    target: str | None
    picture: tuple[int, int] | None
    test_from: int | None


def read_npz(content: bytes, name: str, most_bytes: int) -> Arrays:
    """Features (N, F) or pictures (N, rows, columns), and classes (N,), by their usual names.

    A file with x_train, y_train, x_test and y_test brings test rows of its own.

    Sizes come from the headers and are checked before anything is unpacked; nothing is unpickled. DataError otherwise.
    """
    pl = polars()
    _check_sizes(content, name, most_bytes)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key.lower(): file[key] for key in file.files}
    except Exception as error:  # noqa: BLE001  # a damaged archive raises whatever it likes
        raise DataError(f"{name} is damaged: {first_line(error)}.") from None
    test_from = None
    if set(arrays) >= _SPLIT:
        if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
            raise DataError(
                f"{name}: x_train has rows of shape {arrays['x_train'].shape[1:]}, "
                f"x_test of {arrays['x_test'].shape[1:]}."
            )
        test_from = len(arrays["x_train"])
        features = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels: NDArray[Any] | None = np.concatenate([arrays["y_train"], arrays["y_test"]])
        target: str | None = "y"
    else:
        found = next((key for key in FEATURES if key in arrays), None)
        target = next((key for key in CLASSES if key in arrays), None)
        if found is None:
            raise DataError(f"{name} holds {', '.join(arrays) or 'nothing'}: expected {NAMED}.")
        features, labels = arrays[found], arrays[target] if target else None
    picture = features.shape[1:] if features.ndim == 3 else None  # noqa: PLR2004  # a picture a row
    if features.ndim not in (2, 3) or features.dtype.kind not in "biuf" or 0 in features.shape:
        raise DataError(
            f"{name}: features have shape {features.shape}, dtype {features.dtype}; "
            "numbers of shape (N, F) or (N, rows, columns) are expected."
        )
    flat = np.ascontiguousarray(features.reshape(len(features), -1), dtype=np.float64)
    frame = pl.DataFrame(flat, schema=[f"x{i}" for i in range(flat.shape[1])])
    if labels is not None:
        frame = frame.with_columns(_class_column(labels, str(target), len(flat), name))
    return Arrays(frame, target, picture, test_from)


def _class_column(labels: Any, target: str, rows: int, name: str) -> pl.Series:  # noqa: ANN401  # an array of any kind
    """The classes as a column."""
    module = polars()
    if labels.ndim == 2 and labels.shape[1] == 1:  # noqa: PLR2004  # a column
        labels = labels[:, 0]
    if labels.shape != (rows,) or labels.dtype.kind not in "biufU":
        raise DataError(
            f"{name}: {target} has shape {labels.shape}, dtype {labels.dtype}; "
            f"expected ({rows},), one class a row: integers or words."
        )
    column: pl.Series = module.Series(target, labels.tolist() if labels.dtype.kind == "U" else labels)
    return column


def _check_sizes(content: bytes, name: str, most_bytes: int) -> None:
    """DataError if the file is no .npz, an array holds Python objects, or its headers promise more than is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                array = info.filename.removesuffix(".npy")
                with archive.open(info) as member:
                    version = np.lib.format.read_magic(member)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(member)
                if dtype.hasobject:
                    raise DataError(f"{name}: {array} holds Python objects: only numbers and text are read.")
                promised = max(math.prod(shape) * max(dtype.itemsize, 8), info.file_size)  # float64 in the end
                if promised > most_bytes:
                    raise DataError(f"{name}: {array} has {promised:,} bytes: at most {most_bytes:,} are read.")
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  # a damaged archive raises whatever it likes: zlib.error, SyntaxError, …
        raise DataError(f"{name} is no .npz file that can be read: {first_line(error)}.") from None
