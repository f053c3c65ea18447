"""What is kept of a training in its folder, written and read back: the model, what it needs to know, the checkpoint.

    model.json               everything but weights: architecture, columns or vocabulary, classes, settings, versions
    model.safetensors        the weights of the best epoch
    checkpoint.safetensors   weights, optimiser, best weights and measurements after the last epoch: what a resume needs

No file holds code, and none is unpickled.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xent.core.errors import DataError, missing
from xent.fit.files import first_line, read, read_json, write
from xent.fit.model import Architecture, Model
from xent.fit.trained import Preparation, Trained

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xent.fit.loop import Fit

    Floats = NDArray[np.float64]

MODEL, META, CHECKPOINT = "model.safetensors", "model.json", "checkpoint.safetensors"
FORMAT = 1  # of the folder; a reader refuses another one
_MOST_NOTE = 2**26  # bytes of header and note: measurements of some 100 000 epochs
_NOTE = "xent"  # the one key of a file's metadata: with several, safetensors writes them in any order


def load(folder: str | os.PathLike[str]) -> Trained:
    """What `xent train` saved in `folder`: an object with `classes`, `predict(rows)` and `predict_proba(rows)`.

    Reads model.json and model.safetensors; needs the packages of `xent[cli]`. DataError if the folder is no finished
    run, or damaged.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    preparation, architecture = _prepared(meta, folder)
    if not (folder / MODEL).exists():
        raise DataError(
            f"{folder} has no finished model: its training stopped before the end.\n"
            f"  Go on with   xent train --resume {shlex.quote(str(folder))}"
        )
    model = Model(architecture)
    arrays, _ = read_tensors(folder / MODEL, model.vector.nbytes)
    model.load(arrays, str(folder / MODEL))
    return Trained(folder, model, preparation)


def describe(preparation: Preparation, architecture: Architecture) -> dict[str, Any]:
    """What model.json says about the model itself."""
    return {"format": FORMAT, "architecture": asdict(architecture), **preparation.to_dict()}


def read_meta(folder: Path) -> dict[str, Any]:
    """model.json. DataError if the folder is none of a training, or from another version."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: give one that `xent train` wrote.")
    if not (folder / META).exists():
        raise DataError(f"{folder} holds no training: {META} is not there.")
    meta = read_json(folder / META)
    if meta.get("format") != FORMAT:
        raise DataError(
            f"{folder / META} has format {meta.get('format')!r}; this version of xent reads format {FORMAT}."
        )
    return meta


def save_model(folder: Path, fit: Fit) -> None:
    """Write the best weights."""
    write(folder / MODEL, tensors(fit.model.architecture.views(fit.best), {}))


def save_checkpoint(folder: Path, fit: Fit, measured: Sequence[Mapping[str, Any]], fingerprint: str) -> None:
    """Write all that a resume needs, in one file: state, the epochs' measurements, and which data it belongs to."""
    note = {
        "epoch": fit.epoch,
        "best_epoch": fit.best_epoch,
        "best_loss": fit.best_loss,
        "fingerprint": fingerprint,
        "measured": list(measured),
    }
    write(folder / CHECKPOINT, tensors(fit.arrays(), note))


def resume_checkpoint(folder: Path, fit: Fit, fingerprint: str) -> list[dict[str, Any]]:
    """Put the state of the last epoch into `fit`; the measurements of its epochs, [] where none was finished.

    DataError if the file is damaged, or from other data or another split than `fingerprint`.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    stored, note = read_tensors(path, sum(array.nbytes for array in fit.arrays().values()))
    if note.get("fingerprint") != fingerprint:
        raise DataError(
            f"{path} belongs to other rows than there are now:\n"
            "  the data changed, or other versions of the packages split it otherwise.\n"
            "  Train again from the start."
        )
    arrays = fit.arrays()
    if {n: a.shape for n, a in arrays.items()} != {n: a.shape for n, a in stored.items()}:
        raise DataError(f"{path} is damaged: its arrays are not those of this model and optimiser.")
    try:
        fit.epoch, fit.best_epoch = int(note["epoch"]), int(note["best_epoch"])
        fit.best_loss = float(note["best_loss"])
        measured = list(note["measured"])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} is damaged: its record of the epochs is not complete.") from None
    if len(measured) != fit.epoch:
        raise DataError(f"{path} is damaged: {fit.epoch} epochs, but measurements of {len(measured)}.")
    for name, array in stored.items():
        arrays[name][...] = array
    return measured


def tensors(arrays: Mapping[str, Floats], note: Mapping[str, Any]) -> bytes:
    """A safetensors file with these arrays and a note."""
    st = _safetensors()
    content: bytes = st.save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, {_NOTE: json.dumps(note)})
    return content


def read_tensors(path: Path, size: int) -> tuple[dict[str, Floats], dict[str, Any]]:
    """The arrays of a safetensors file, together of `size` bytes, and its note. DataError if it is damaged."""
    st = _safetensors()
    content = read(path, size + _MOST_NOTE)
    try:
        arrays: dict[str, Floats] = st.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        note = json.loads(header.get("__metadata__", {}).get(_NOTE, "{}"))
    except Exception as error:  # noqa: BLE001  # SafetensorError derives from Exception; whatever it is, the file is no good
        raise DataError(f"{path} is damaged: {first_line(error)}.") from None
    if not isinstance(note, dict) or any(a.dtype != np.float64 for a in arrays.values()):
        raise DataError(f"{path} is damaged: float64 arrays and a note were expected.")
    return arrays, note


def _prepared(meta: Mapping[str, Any], folder: Path) -> tuple[Preparation, Architecture]:
    """Preparation and architecture out of model.json. DataError if they are damaged or do not fit each other."""
    preparation = Preparation.from_dict(meta)
    try:
        values = dict(meta["architecture"])
        architecture = Architecture(**{**values, "hidden": tuple(map(int, values["hidden"]))})
        sizes = architecture.count()
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder / META} is damaged: {error}.") from None
    inputs = preparation.context if preparation.columns is None else len(preparation.columns.names)
    stored = (folder / MODEL).stat().st_size if (folder / MODEL).exists() else 8 * sizes
    if min(architecture.inputs, architecture.classes, *architecture.hidden) < 1 or sizes < 1:
        raise DataError(f"{folder / META} is damaged: a size is not above 0.")
    if architecture.inputs != inputs or architecture.classes != len(preparation.classes) or 8 * sizes > stored:
        raise DataError(f"{folder / META} is damaged: its sizes do not fit each other, or {MODEL}.")
    return preparation, architecture


def _safetensors() -> Any:  # noqa: ANN401  # safetensors has no types
    """The module safetensors.numpy. MissingError says what to install."""
    try:
        import safetensors.numpy
    except ImportError:
        raise missing("safetensors", "cli") from None
    return safetensors.numpy
