"""The public names: pinned here, documented, in the changelog, and the same whatever was imported first."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xent
import xent.book
import xent.numpy

ROOT = Path(__file__).resolve().parents[2]

# People rely on these. A change here needs a fragment in changelog.d/.
PUBLIC = {
    "xent": {
        "DataError",
        "EmptyBatchWarning",
        "InterpretedWarning",
        "KindError",
        "MissingError",
        "OptionError",
        "ShapeError",
        "SoftmaxWithLoss",
        "StateError",
        "TargetError",
        "Total",
        "XentError",
        "cross_entropy",
        "explain",
        "linear_cross_entropy",
        "linear_value_and_grad",
        "load",
        "plan",
        "total",
        "value_and_grad",
    },
    "xent.numpy": {"cross_entropy", "total", "value_and_grad"},
    "xent.book": {
        "SoftmaxWithLoss",
        "TimeSoftmaxWithLoss",
        "compare",
        "cross_entropy_error",
        "install",
        "softmax",
        "softmax_loss",
    },
}
SUBMODULES = {"book", "numpy"}  # there lazily, as attributes of the package
EVERY = [f"{module}.{name}" for module, names in sorted(PUBLIC.items()) for name in sorted(names)]


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_the_public_names_are_these(module):
    found = set(sys.modules[module].__all__)
    assert {name for name in found if not name.startswith("_")} - SUBMODULES == PUBLIC[module]


def test_every_public_name_is_there():
    for each in EVERY:
        module, _, name = each.rpartition(".")
        assert getattr(sys.modules[module], name, None) is not None, each


def test_dir_shows_the_public_names_before_they_are_used():
    code = "import xent; print(*dir(xent))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(shown) >= PUBLIC["xent"] | SUBMODULES


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'xent' has no attribute 'cross_entrpy'"):
        xent.cross_entrpy  # noqa: B018 -- the attribute access is the test


# Whatever is imported first, and however, the names mean the same. (A submodule that is imported becomes an attribute
# of the package, and would hide a function of its name.)
FIRST = [
    "import xent.cli",
    "import xent.fit",
    "import xent.train",
    "import xent.book",
    "import xent.numpy",
    "from xent import numpy",
    "from xent.layer import SoftmaxWithLoss",
    "from xent import *",
    "import xent.graph",
    "import xent.graph.entry",
]
MEANING = """
import xent
for name in (
    "cross_entropy", "explain", "value_and_grad", "total", "load", "linear_cross_entropy", "linear_value_and_grad"
):
    assert callable(getattr(xent, name)) and type(getattr(xent, name)).__name__ == "function", name
assert isinstance(xent.SoftmaxWithLoss, type) and isinstance(xent.Total, type)
assert xent.numpy.__name__ == "xent.numpy" and xent.book.__name__ == "xent.book"
assert xent.numpy.total is xent.total and xent.book.SoftmaxWithLoss is xent.SoftmaxWithLoss
import numpy
assert numpy.__name__ == "numpy" and numpy is not xent.numpy
"""


@pytest.mark.parametrize(
    "first", [*FIRST, *map("; ".join, itertools.permutations(FIRST[2:5]))], ids=lambda text: text.replace(" ", "_")
)
def test_any_import_order_leaves_the_names_what_they_are(first):
    done = subprocess.run([sys.executable, "-c", f"{first}\n{MEANING}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_name_that_changed_its_meaning_would_be_seen():
    spoilt = "import xent, types; xent.total = types.ModuleType('xent.total')"
    done = subprocess.run([sys.executable, "-c", f"{spoilt}\n{MEANING}"], capture_output=True, text=True, check=False)
    assert "AssertionError: total" in done.stderr


def written(paths: list[Path]) -> set[str]:
    """The dotted names that stand in backquotes in some files, as `xent.total` or `xent.total(...)`."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    return set(re.findall(r"`(xent\.[\w.]+)", text))


@pytest.mark.parametrize("name", EVERY)
def test_every_public_name_is_in_the_changelog(name):
    assert name in written([ROOT / "CHANGELOG.md", *sorted((ROOT / "changelog.d").glob("*.md"))])


@pytest.mark.parametrize("name", EVERY)
def test_every_public_name_is_in_the_documentation(name):
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
    assert re.search(rf"\b{re.escape(name)}\b", pages)
