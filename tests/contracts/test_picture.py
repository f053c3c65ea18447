"""docs/batch.svg is what its script computes today."""

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_picture_is_the_computed_one(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    drawn = runpy.run_path(str(ROOT / "tools" / "batch_picture.py"))["draw"]()
    sys.modules.pop("inside", None)
    assert (ROOT / "docs" / "batch.svg").read_text(encoding="utf-8") == drawn
