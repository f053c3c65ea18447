"""The page's table and picture of time by memory are what the committed run says."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def curve():
    """The tool, as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        import linear_curve

        yield linear_curve
        for name in ("linear_curve", "sweep_pictures", "inside"):
            sys.modules.pop(name, None)


@pytest.fixture
def record(curve):
    return json.loads(curve.RESULTS.read_text(encoding="utf-8"))


def test_the_page_says_what_the_run_says(curve, record):
    page = curve.PAGE.read_text(encoding="utf-8")
    assert curve.table(record) in page
    assert page.count(curve.BEGIN) == page.count(curve.END) == 1


def test_another_run_would_be_seen(curve, record):
    record["shapes"][0]["bare_seconds"] = [1.0]
    assert curve.table(record) not in curve.PAGE.read_text(encoding="utf-8")


def test_the_picture_is_drawn_in_the_pages_colours(curve, record):
    drawn = ET.fromstring(curve.PICTURE.read_text(encoding="utf-8"))  # noqa: S314 -- drawn by our own tool
    again = ET.fromstring(curve.picture(record))  # noqa: S314 -- as above
    assert [node.text for node in drawn.iter() if node.tag.endswith("text")] == [
        node.text for node in again.iter() if node.tag.endswith("text")
    ]
    assert "var(--a)" in curve.PICTURE.read_text(encoding="utf-8")


def test_a_ratio_is_that_of_the_fastest_rounds(curve):
    shape = {"bare_seconds": [4.0, 2.0]}
    assert curve.ratios(shape, {"seconds": [9.0, 5.0], "loss_seconds": [1.0, 0.5]}) == (2.5, 2.25)
