"""The two volumes' folders: nets of the shape of the book's, importable as learners import them."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent
VOLUMES = {"volume1": HERE / "volume1", "volume2": HERE / "volume2"}
collect_ignore = list(VOLUMES)  # they import a package `common`, which is there only inside `volume`


@pytest.fixture
def volume(monkeypatch):
    """`volume("volume1")` puts that folder on the path; its modules are forgotten again afterwards."""
    before = dict(sys.modules)

    def enter(name):
        forget()
        monkeypatch.syspath_prepend(VOLUMES[name])
        return SimpleNamespace(load=importlib.import_module)

    def forget():
        for module in [m for m in sys.modules if _of_a_volume(sys.modules[m]) and m not in before]:
            del sys.modules[module]

    yield enter
    forget()


def _of_a_volume(module):
    return str(HERE / "volume") in str(getattr(module, "__file__", "") or "")
