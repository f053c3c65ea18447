"""A drawing that follows the page's theme: an SVG in the light theme's colours becomes one in the page's variables.

A plotting library draws with the values of `colours()`; `themed` puts `var(--a)` where the value of `a` stood, so that
one drawing serves light, dark and print. Inline style attributes, which the page's policy forbids, become presentation
attributes; identifiers get a prefix, so that several drawings can share a page. Standard library only.
"""

import re
from functools import cache
from xml.etree import ElementTree as ET

from xent._page.markup import Html, join, tag
from xent._page.page import sheet

_DROPPED = frozenset({"metadata", "style", "title"})
_KEPT = frozenset({"d", "x", "y", "width", "height", "transform", "clip-path"})
_KEPT_STYLE = frozenset(
    {
        "fill",
        "stroke",
        "stroke-width",
        "stroke-dasharray",
        "stroke-linejoin",
        "stroke-linecap",
        "text-anchor",
        "opacity",
    }
)
_DECIMALS = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_REFERENCE = re.compile(r"(?:href=\"#|url\(#)([^\")]+)")
_TURN_BY_NOTHING = re.compile(r"rotate\(-?0 ")
_FONT_SIZE = re.compile(r"([\d.]+)px")


@cache
def colours() -> dict[str, str]:
    """Name and value of each colour of the light theme, as style.css has them.

    >>> colours()["paper"], colours()["a"]
    ('#ffffff', '#0b5cad')
    """
    light = sheet().split("}", 1)[0]
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light))


def themed(svg: str, label: str, prefix: str) -> Html:
    r"""The drawing as inline SVG in the page's colours.

    svg      a whole SVG document that we drew ourselves: its text is escaped, its structure is kept
    label    what a person who cannot see it is told
    prefix   unique on the page; identifiers begin with it

    Raises ValueError for text that is not XML.

    >>> svg = '<svg viewBox="0 0 9 9"><path d="M 0 0 L 1.23456 2" style="stroke: #0b5cad"/></svg>'
    >>> print(themed(svg, "a line", "p-").replace("><path", ">\n<path"))
    <svg viewBox="0 0 9 9" class="plot" role="img" aria-label="a line">
    <path d="M 0 0 L 1.23 2" stroke="var(--a)"></path></svg>
    """
    try:
        root = ET.fromstring(svg)  # noqa: S314 -- drawn by our own process, never read from outside
    except ET.ParseError as error:
        raise ValueError(f"not an SVG document: {error}") from None
    used = frozenset(_REFERENCE.findall(svg))
    inner = [_element(child, prefix, used) for child in root]
    return tag("svg", *inner, viewBox=root.get("viewBox"), class_="plot", role="img", aria_label=label)


def _element(node: ET.Element, prefix: str, used: frozenset[str]) -> Html:
    kind = node.tag.rpartition("}")[2]
    if kind in _DROPPED:
        return Html("")
    words = (node.text or "").strip() if kind in {"text", "tspan"} else ""
    inner = join([words, *(_element(child, prefix, used) for child in node)])
    attributes = _attributes(node, prefix, used)
    if kind in {"g", "defs"} and not inner:
        return Html("")
    return inner if kind == "g" and not attributes else tag(kind, inner, **attributes)


def _attributes(node: ET.Element, prefix: str, used: frozenset[str]) -> dict[str, str]:
    """The attributes that say something, shortened: two decimals are a hundredth of a point."""
    out = {}
    for key, value in node.items():
        short = key.rpartition("}")[2]
        if short == "id" and value in used:
            out["id"] = prefix + value
        elif short == "href":
            out["href"] = value.replace("#", "#" + prefix, 1)
        elif short == "style":
            out |= _presentation(value)
        elif short in _KEPT and not _TURN_BY_NOTHING.match(value):
            out[short] = _short(value.replace("url(#", "url(#" + prefix))
    return out


def _short(numbers: str) -> str:
    return " ".join(_DECIMALS.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), numbers).split())


def _presentation(style: str) -> dict[str, str]:
    """A style attribute as presentation attributes, which take variables and need no permission from the policy."""
    names = {value: name for name, value in colours().items()}
    out = {}
    for rule in style.split(";"):
        key, _, value = (part.strip() for part in rule.partition(":"))
        if key in {"font", "font-size"} and (size := _FONT_SIZE.search(value)):
            out["font-size"] = size[1]
        elif key in _KEPT_STYLE:
            out[key] = f"var(--{names[value]})" if value in names else value
    return out
