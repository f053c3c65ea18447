"""Two small real sets that come with the package as text: 200 handwritten digits and 150 irises. NumPy alone."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

NAMES = ("digits", "iris")
GREY = "0123456789abcdefg"


@dataclass(frozen=True)
class Embedded:
    """Features and classes."""

    name: str
    features: NDArray[np.float64]  # (N, F): grey levels from 0 to 1; centimetres, centred
    classes: NDArray[np.int64]  # (N,)
    class_names: tuple[str, ...]


@cache
def embedded(name: str) -> Embedded:
    """One of the sets. KeyError for another name.

    >>> embedded("digits").features.shape, embedded("iris").class_names
    ((200, 64), ('setosa', 'versicolor', 'virginica'))
    """
    text = files("xent.train").joinpath("data", f"{name}.txt").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    if name == "digits":
        features = np.array([[GREY.index(c) for c in cells] for _, cells in lines], dtype=np.float64) / 16.0
        return Embedded(name, features, np.array([int(label) for label, _ in lines]), tuple("0123456789"))
    names = tuple(dict.fromkeys(line[0] for line in lines))
    features = np.array([[float(cell) for cell in line[1:]] for line in lines])
    features -= np.round(features.mean(axis=0), 1)  # so that few steps are enough
    return Embedded(name, features, np.array([names.index(line[0]) for line in lines]), names)
