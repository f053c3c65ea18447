"""Runs the Python examples of README.md and docs/ as tests."""

from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=NORMALIZE_WHITESPACE | ELLIPSIS)],
    patterns=["README.md", "docs/*.md", "docs/questions/*.md"],
).pytest()
