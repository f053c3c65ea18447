"""The tables and the picture in README and docs are what the committed runs say."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.test_bench.made import measured, record
from xent.bench.record import Measured
from xent.bench.task import Task

ROOT = Path(__file__).resolve().parents[2]
MADE = record(measured(Task(65536, 1000)), measured(Task(8, 131072)), Measured(Task(100, 10), skipped="no memory"))


@pytest.fixture(scope="module")
def figures():
    """The tool, as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        import bench_figures

        yield bench_figures
        for name in ("bench_figures", "inside"):
            sys.modules.pop(name, None)


def test_a_table_says_what_the_run_says(figures):
    assert figures.readme(MADE).replace("\N{NO-BREAK SPACE}", "_") == (
        "| rows × classes | xent | × copy | fastest peer takes | torch takes | worst error, ULP: xent · that peer |\n"
        "|---|--:|--:|--:|--:|--:|\n"
        "| 65536_×_1000 | 2.00 s | 2.00 | 2.00 × (jax + optax) | 4.00 × | 0.50 · inf |\n"
        "| 8_×_131072 | 2.00 s | 2.00 | 2.00 × (jax + optax) | 4.00 × | 0.50 · inf |\n"
        "\n"
        "Median of 3 interleaved rounds on 2026-01-02; A processor, 2 threads, L1 32K, L2 1024K; CPython 3.11.7, "
        "xent 0.2, torch 2.13.0.\n"
    )


def test_the_picture_is_a_drawing_of_its_own_in_both_themes(figures):
    drawn = figures.picture(MADE)
    root = ET.fromstring(drawn)  # noqa: S314  # drawn just now
    assert root.tag.endswith("svg")
    assert "xent: 65536 × 1000 2.00; 8 × 131072 2.00" in drawn
    assert drawn.count("prefers-color-scheme: dark") == 1
    used = set(re.findall(r"var\(--(\w+)\)", drawn))
    assert used <= set(re.findall(r"--(\w+):", drawn))
    assert "http" not in drawn.replace("http://www.w3.org/", "")


def test_readme_and_docs_say_what_the_committed_runs_say(figures):
    records = figures.runs()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    if "float32" not in records:  # nothing is measured yet, so nothing is claimed
        assert "written by tools/bench_figures.py" not in readme + page
        return
    assert figures.readme(records["float32"]) in readme
    assert figures.page(records) in page
    drawn = (ROOT / "docs" / "speed.svg").read_text(encoding="utf-8")
    said = re.search(r"<desc .*</desc>", figures.picture(records["float32"]))
    assert said is not None
    assert said[0] in drawn  # another matplotlib may draw it elsewhere


def test_a_page_without_the_block_gets_it_and_again_changes_nothing(figures, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    readme, page = tmp_path / "README.md", tmp_path / "speed.md"
    readme.write_text("# xent\n\n## What it does\n\nThis.\n\n## What it does not do\n\nThat.\n", encoding="utf-8")
    page.write_text("# Speed\n\n## Is today's code worse?\n\nNo.\n", encoding="utf-8")
    for path, block in ((readme, figures.readme(MADE)), (page, figures.page({"float32": MADE}))):
        figures.put(path, "speed", "old\n")
        figures.put(path, "speed", block)
        once = path.read_text(encoding="utf-8")
        assert block in once
        assert "old" not in once
        figures.put(path, "speed", block)
        assert path.read_text(encoding="utf-8") == once
    assert re.findall("(?m)^## .*", readme.read_text(encoding="utf-8")) == [
        "## What it does",
        "## Speed",
        "## What it does not do",
    ]
    assert page.read_text(encoding="utf-8").endswith("## Is today's code worse?\n\nNo.\n")
