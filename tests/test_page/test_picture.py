"""Drawings in the page's colours."""

import io

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from tests.pages import Tree, faults
from xent._page import colours, figure, join, page, tag, themed


def drawn() -> str:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "x"}):
        drawing = Figure(figsize=(3, 2))
        axes = drawing.add_subplot()
        axes.plot([1, 2, 3], [1, 4, 2], color=colours()["a"], marker="o", label="<curve>")
        axes.legend()
        axes.grid(visible=True)
        text = io.StringIO()
        drawing.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def test_two_drawings_share_a_page():
    pictures = [figure(themed(drawn(), f"curve {i}", f"p{i}-"), "a curve") for i in (1, 2)]

    assert faults(page("t", join([tag("h1", "t"), *pictures]))) == []


def test_colours_become_variables_and_styles_attributes():
    picture = themed(drawn(), "a <curve>", "p-")
    tree = Tree(picture)

    assert tree.tags[0][1]["aria-label"] == "a <curve>"
    assert "<curve>" in tree.text()
    assert 'stroke="var(--a)"' in picture
    assert colours()["a"] not in picture
    assert "style" not in picture
    assert len(picture) < len(drawn()) / 2


def test_references_lead_to_what_they_did():
    tree = Tree(themed(drawn(), "x", "p-"))
    ids = {a["id"] for _, a in tree.tags if "id" in a}

    assert {a["href"].removeprefix("#") for a in tree.all("use")} <= ids
    assert all(name.startswith("p-") for name in ids)
    assert {a["clip-path"] for _, a in tree.tags if "clip-path" in a} <= {f"url(#{name})" for name in ids}


def test_what_is_not_svg_is_refused():
    with pytest.raises(ValueError, match=r"^not an SVG document: "):
        themed("<svg>", "x", "p-")
