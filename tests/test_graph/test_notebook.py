"""What a notebook keeps of a drawing: JupyterLab's sanitiser for untrusted notebooks, GitHub's, and a real run."""

import base64
import re
from html.parser import HTMLParser

import pytest

from tests.test_graph.test_forms import CASES

# JupyterLab 4, packages/apputils/src/sanitizer.ts: elements and the attributes and styles that matter here.
TAGS = {
    "a", "b", "bdi", "blockquote", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "em", "figcaption",
    "figure", "h1", "h2", "h3", "h4", "hr", "i", "img", "kbd", "li", "mark", "meter", "ol", "p", "pre", "progress", "s",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead",
    "time", "tr", "u", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "*": {"class", "dir", "draggable", "hidden", "id", "inert", "lang", "style", "title"},
    "img": {"alt", "height", "src", "width"},
}
STYLES = {"max-width", "padding", "text-align", "color", "background-color", "font-size", "margin", "width", "height"}


class Sanitised(HTMLParser):
    """HTML as the sanitiser leaves it; with `images` False, as where data images are dropped too."""

    def __init__(self, html: str, *, images: bool = True) -> None:
        super().__init__(convert_charrefs=False)
        self.images, self.out, self.dropped = images, [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS or (tag == "img" and not self.images):
            self.dropped.append(tag)
            return
        kept = []
        for name, value in attrs:
            if name not in ATTRIBUTES["*"] | ATTRIBUTES.get(tag, set()):
                self.dropped.append(f"{tag} {name}")
                continue
            if name == "style":
                rules = [rule for rule in value.split(";") if rule.partition(":")[0].strip() in STYLES]
                value = ";".join(rules)  # noqa: PLW2901 -- what the sanitiser leaves of it
            kept.append(f' {name}="{value}"')
        self.out.append(f"<{tag}{''.join(kept)}>")

    def handle_endtag(self, tag):
        if tag in TAGS:
            self.out.append(f"</{tag}>")

    def handle_data(self, data):
        self.out.append(data)

    def handle_entityref(self, name):
        self.out.append(f"&{name};")

    def handle_charref(self, name):
        self.out.append(f"&#{name};")

    def text(self) -> str:
        return "".join(self.out)


@pytest.mark.parametrize("name", CASES)
def test_picture_and_numbers_survive_an_untrusted_notebook(name):
    graph = CASES[name]()
    html = graph._repr_html_()
    kept = Sanitised(html)
    assert kept.dropped == []
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', kept.text())
    assert base64.b64decode(picture[1]).decode() == graph.to_svg()
    for node in graph.drawing.nodes.values():
        assert f">{node.name}</td>" in kept.text()
    assert "<table>" in kept.text()


def test_without_any_image_the_numbers_are_still_there():
    kept = Sanitised(CASES["default"]()._repr_html_(), images=False)
    assert kept.dropped == ["img"]
    assert "0.0450, 0.1224, -0.1674" in kept.text()


def test_an_inline_svg_would_be_dropped():
    kept = Sanitised("<svg><text>1</text></svg><script>1</script><style>p{}</style>")
    assert kept.dropped == ["svg", "text", "script", "style"]
