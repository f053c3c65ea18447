"""What importing costs, and what the centre may import: `import xent` is NumPy and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "xent"

# In a fresh interpreter: the top-level packages that a statement brings in, beyond the standard library.
PROBE = """
import sys
before = set(sys.modules)
{statement}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(name for name in new if name not in sys.stdlib_module_names and not name.startswith("_")))
"""


def brought_in(statement: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement", ["import xent", "from xent import cross_entropy", "import xent.numpy", "dir(__import__('xent'))"]
)
def test_the_import_brings_in_numpy_and_nothing_else(statement):
    assert brought_in(statement) <= {"xent", "numpy"}


@pytest.mark.parametrize("statement", ["import xent; xent.SoftmaxWithLoss", "import xent.book"])
def test_the_layer_and_the_book_cost_no_more(statement):
    assert brought_in(statement) <= {"xent", "numpy"}


def test_the_core_is_standard_library_when_it_runs():
    assert brought_in("import xent.core.item, xent.core.batch") <= {"xent", "numpy"}  # numpy: `xent` itself


def test_a_dearer_import_would_be_seen():
    assert "numba" in brought_in("import xent; import numba")
    assert "sklearn" in brought_in("import xent; import sklearn")


def imported(path: Path) -> set[str]:
    """Top-level names of everything a file imports, wherever in it the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("xent" if node.level else (node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("folder", ["core", "_page"])
def test_the_centre_imports_the_standard_library_only(folder):
    files = sorted((SRC / folder).glob("*.py"))
    assert files
    for path in files:
        assert imported(path) <= sys.stdlib_module_names | {"xent"}, path.name


def test_an_import_inside_a_function_would_be_seen(tmp_path):
    path = tmp_path / "late.py"
    path.write_text("def f():\n    from numpy.linalg import norm\n    return norm\n")
    assert imported(path) == {"numpy"}
