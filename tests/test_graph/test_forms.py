"""The forms of a drawing: terminal, SVG, HTML, Mermaid, dictionary, notebook; their sizes, widths and safety."""

import base64
import json
import random
import re
import time
import unicodedata
from xml.etree import ElementTree as ET

import pytest

import xent
from tests.pages import Tree, faults
from xent.graph.lines import ascii_only

X, T = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [2, 0]
DEFAULT = """\
2 items, 3 classes, targets 2 and 0, reduction "mean"

       x (logits)                y = softmax(x)          l = −log y[t]
0 ─►  [ 1.0000 2.0000  3.0000]  [0.0900 0.2447 0.6652]  t=2  0.4076 ─┐
∂ ◄─  [ 0.0450 0.1224 -0.1674]  (y − t) · 1/2  ◄─────────────── 1/2  │
1 ─►  [ 3.0000 2.0000  1.0000]  [0.6652 0.2447 0.0900]  t=0  0.4076 ─┼─► ÷2 ─► L
∂ ◄─  [-0.1674 0.1224  0.0450]  (y − t) · 1/2  ◄─────────────── 1/2       0.4076

  L is divided by 2, so every gradient is: 1/2 is the mean's own derivative"""
rng = random.Random(0)  # noqa: S311 -- numbers to draw
MANY = [[rng.gauss(0, 3) for _ in range(30)] for _ in range(40)], [rng.randrange(30) for _ in range(40)]
HOSTILE = ['<script>alert("1")</script>', "'\"&<>", "a\x1b[31m\x00\u202eb\u200f"]
CASES = {
    "default": lambda: xent.explain(X, T),
    "split": lambda: xent.explain(X, T, split_mean=True),
    "sum": lambda: xent.explain(X, T, reduction="sum"),
    "none": lambda: xent.explain(X, T, reduction="none", sample_weight=[2.0, 1.0]),
    "ignored": lambda: xent.explain(X, [2, -100], denominator="batch"),
    "nothing": lambda: xent.explain(X, [-100, -100]),
    "weights": lambda: xent.explain(X, T, weight=[1.0, 2.0, 3.0], sample_weight=[0.5, 2.0]),
    "soft": lambda: xent.explain(X, [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]),
    "options": lambda: xent.explain(X, T, label_smoothing=0.1, softcap=2.0, logit_scale=1.5, lse_square_scale=0.01),
    "linear": lambda: xent.explain(X, T, linear_weight=X + X, linear_bias=[0.1, 0.2, 0.3, 0.4]),
    "parts": lambda: xent.explain(X + X, T + T, micro_batches=[3, 1]),
    "ranks": lambda: xent.explain(*MANY, ranks=10),
    "many": lambda: xent.explain(*MANY),
    "hostile": lambda: xent.explain(X, T, class_names=HOSTILE, title=HOSTILE[0] + HOSTILE[2]),
    "infinite": lambda: xent.explain([[0.0, float("-inf")], [float("nan"), 1.0]], [1, 0]),
}


@pytest.fixture(params=CASES)
def graph(request):
    made = CASES[request.param]()
    made.check()
    return made


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_the_default_drawing_fits_80_columns_and_is_this():
    assert xent.explain(X, T).to_text(80) == DEFAULT


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_longer_than_the_terminal(graph, width):
    limit = max(width, 60)
    assert all(columns(line) <= limit for line in graph.to_text(width).splitlines())


def test_ascii_alone_says_the_same(graph):
    text = graph.to_text(80, unicode=False)
    assert text.isascii()
    assert re.findall(r"\d\.\d{4}", text) == re.findall(r"\d\.\d{4}", graph.to_text(80))


def test_no_control_character_reaches_the_terminal(graph):
    assert all(c.isprintable() or c == "\n" for c in graph.to_text(80))


def test_colour_is_only_there_where_it_is_asked_for(graph):
    assert "\x1b" not in graph.to_text(80)
    coloured = graph.to_text(80, colour=True)
    assert "\x1b[31m" in coloured or graph.denominator == 0
    plain = "\n".join(line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines())
    assert plain == graph.to_text(80)


def test_ascii_of_what_has_no_likeness():
    assert ascii_only("漢") == "\\u6f22"


def test_the_svg_is_a_picture_of_its_own(graph):
    svg = graph.to_svg()
    root = ET.fromstring(svg)  # noqa: S314 -- our own
    names = [node.tag.rpartition("}")[2] for node in root.iter()]
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert names[:2] == ["svg", "title"]
    assert "desc" in names
    assert "script" not in names
    assert not re.search(r"(?:href|src)\s*=|url\((?!#)|@import|\son\w+=", svg)
    assert "prefers-color-scheme: dark" in svg
    assert len(svg.encode()) < 100_000


def test_what_is_drawn_lies_inside_the_picture(graph):
    root = ET.fromstring(graph.to_svg())  # noqa: S314 -- our own
    _, _, width, height = map(float, root.get("viewBox").split())
    for node in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(node.get(name)) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height


def test_boxes_do_not_overlap(graph):
    from xent.graph.layout import place

    boxes = place(graph.drawing, graph.report).boxes
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert apart, (a.node.name, b.node.name)


def test_the_page_is_sound(graph):
    html = graph.to_html()
    assert faults(html, script=True) == []
    assert len(html.encode()) < 300_000
    assert "<script>alert" not in html


def test_names_are_escaped_and_made_visible():
    graph = CASES["hostile"]()
    for text in (graph.to_html(), graph.to_svg(), graph._repr_html_(), graph.to_mermaid()):
        assert "<script>alert" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "&lt;script&gt;" in graph.to_html()
    assert "\\x1b[31m" in Tree(graph.to_html()).text()


def test_the_dictionary_is_json_and_holds_the_numbers(graph):
    record = json.loads(json.dumps(graph.to_dict(), allow_nan=False))
    assert {node["name"] for node in record["nodes"]} == set(graph.drawing.nodes)
    assert len(record["edges"]) == len(graph.drawing.edges)
    assert record["check"]["ok"]


def test_the_flowchart_names_every_node_and_edge(graph):
    chart = graph.to_mermaid()
    assert chart.startswith("flowchart LR\n")
    assert len(re.findall(r"^  \w+ -\.?->", chart, re.MULTILINE)) == len(graph.drawing.edges)
    quoted = re.findall(r'"([^"]*)"', chart)
    assert not [text for text in quoted if re.search(r"[<>`]", text.replace("<br/>", ""))]


def test_a_notebook_gets_text_image_and_numbers(graph):
    bundle = graph._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml"}
    assert bundle["text/plain"] == graph.to_text(80)
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', bundle["text/html"])[1]
    assert base64.b64decode(data).decode() == bundle["image/svg+xml"] == graph._repr_svg_()


@pytest.mark.parametrize("kind", [".svg", ".html", ".txt", ".json", ".md", ".mmd"])
def test_it_is_saved_by_its_extension(tmp_path, kind):
    path = tmp_path / f"graph{kind}"
    xent.explain(X, T).save(path)
    assert "0.4076" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_saved_says_why(tmp_path):
    graph = xent.explain(X, T)
    with pytest.raises(xent.OptionError, match=r"the extension is '.png': it must be one of .svg, .html"):
        graph.save(tmp_path / "a.png")
    with pytest.raises(xent.DataError, match=r"no/a.svg cannot be written: No such file or directory"):
        graph.save(tmp_path / "no" / "a.svg")


def test_print_falls_back_to_ascii_where_stdout_cannot(monkeypatch):
    import io
    import sys

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp932"))
    assert str(xent.explain(X, T)).isascii()


def test_the_same_batch_gives_the_same_bytes():
    assert CASES["options"]().to_html() == CASES["options"]().to_html()


def test_a_long_batch_is_quick_and_small():
    import numpy as np

    g = np.random.default_rng(0)
    x, t = g.normal(0, 3, (2000, 200)), g.integers(0, 200, 2000)
    start = time.process_time()
    graph = xent.explain(x, t)
    html = graph.to_html()
    assert time.process_time() - start < 5
    assert len(html.encode()) < 300_000
    assert graph.loss == pytest.approx(float(xent.cross_entropy(x, t)), rel=1e-15)


@pytest.mark.slow
def test_ten_thousand_items_of_a_thousand_classes_take_less_than_5_seconds():
    import numpy as np

    g = np.random.default_rng(0)
    x, t = g.normal(0, 3, (10_000, 1000)), g.integers(0, 1000, 10_000)
    start = time.process_time()
    graph = xent.explain(x, t)
    size = len(graph.to_svg().encode())
    assert time.process_time() - start < 5
    assert size < 300_000
    assert len(graph.to_html().encode()) < 300_000
    assert graph.loss == pytest.approx(float(xent.cross_entropy(x, t)), rel=1e-15)
    assert graph.check().ok


def test_ten_thousand_items_can_all_be_drawn():
    graph = xent.explain([[1.0, 0.0]] * 10_000, [0] * 10_000, max_items=10_000)
    assert graph.to_text(80).count("─►") >= 10_000
    few = xent.explain([[1.0, 0.0]] * 1000, [0] * 1000, max_items=1000)
    assert few.to_svg().count("<rect") >= 3000
