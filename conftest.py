"""Runs the Python examples of README.md and docs/ as tests; what needs PyTorch, where PyTorch is installed."""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from importlib.util import find_spec

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# the lanes "torch" and "ranks" have them
collect_ignore = [] if find_spec("torch") else ["src/xent/torch", "docs/torch.md", "docs/ranks.md"]

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=NORMALIZE_WHITESPACE | ELLIPSIS)],
    patterns=["README.md", "docs/*.md", "docs/questions/*.md"],
).pytest()
