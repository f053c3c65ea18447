"""The document: structure, policy, and contrast of both themes and of paper."""

import re

import pytest

from tests.pages import faults
from xent._page import Html, page, table, tag
from xent._page.page import sheet

SOUND = page("a title", tag("h1", "a title"))


def test_a_page_is_sound():
    assert faults(SOUND) == []
    assert SOUND.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert '<meta name="color-scheme" content="light dark">' in SOUND


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p>", "</main> closes something else"),
        ("<h1>again</h1>", "2 <h1>"),
        ("<h3>too deep</h3>", "headings out of order: [1, 3]"),
        ("<script>1</script>", "<script>"),
        ('<p id="a" onclick="1"></p>', "attribute onclick in <p>"),
        ('<p style="color: red"></p>', "attribute style in <p>"),
        ('<p id="a"></p><p id="a"></p>', "id 'a' twice"),
        ('<img src="http://a.b/c" alt="a">', "src='http://a.b/c' leads out of the page or nowhere"),
        ('<a href="#nowhere">x</a>', "href='#nowhere' leads out of the page or nowhere"),
        ('<img src="data:image/png;base64,">', "an img without alt"),
        ("<table><tr><td>1</td></tr></table>", "a table without caption"),
        ("<p></i>", "</i> closes something else"),
        ("<svg></svg>", "an svg that says nothing and is not hidden"),
    ],
)  # fmt: skip
def test_the_check_of_pages_finds(body, fault):
    assert fault in faults(page("t", Html("<h1>t</h1>" + body)))


@pytest.mark.parametrize(
    "change", [("default-src &#x27;none&#x27;", "default-src *"), (".lead", ".leads"), ("<meta charset", "<meta x")]
)
def test_the_check_of_pages_finds_a_policy_that_does_not_fit(change):
    assert faults(SOUND.replace(*change, 1))


def test_a_title_is_text():
    assert "<title>&lt;/title&gt;&lt;script&gt;\\u202e</title>" in page("</title><script>\u202e", tag("h1", "x"))


def test_a_body_of_plain_text_is_refused():
    with pytest.raises(TypeError, match="must be Html"):
        page("t", "<h1>t</h1>")


def test_a_style_that_ends_the_style_element_is_refused():
    with pytest.raises(ValueError, match="must not contain </style"):
        page("t", tag("h1", "t"), style="a {} </STYLE><script>")


def test_a_page_of_its_own_style_has_a_policy_of_its_own():
    assert faults(page("t", tag("h1", "t"), style=".x { color: var(--a); }")) == []


def test_tables_of_one_page_may_share_a_caption():
    assert faults(page("t", Html(tag("h1", "t") + table("x", [], [["a", 1]]) * 2))) == []


def themes() -> dict[str, dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", sheet(), re.DOTALL)
    return dict(
        zip(("light", "dark", "print"), (dict(re.findall(r"--(\w+): (#\w{6})", b)) for b in blocks), strict=True)
    )


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1. Source: WCAG 2.2, "relative luminance"."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_the_one_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_every_colour_of_text_can_be_read(theme):
    colours = themes()[theme]

    assert set(colours) == {"paper", "panel", "line", "ink", "soft", "a", "b", "good", "bad"}
    for text in ("ink", "soft", "a", "b", "good", "bad"):
        for ground in ("paper", "panel"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def mixed(front: str, part: int, back: str) -> str:
    """`color-mix(in srgb, front part%, back)`."""
    channels = ((int(front[i : i + 2], 16), int(back[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round((part * f + (100 - part) * b) / 100):02x}" for f, b in channels)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_the_two_series_and_their_tints_can_be_told_from_the_ground(theme):
    colours = themes()[theme]

    for series in ("a", "b"):
        assert contrast(colours[series], colours["paper"]) >= 3
        assert contrast(colours["ink"], mixed(colours[series], 40, colours["paper"])) >= 4.5
