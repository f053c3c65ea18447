"""The page in a browser: what the policy stops, also where escaping would have failed."""

import pytest

from xent._page import Html, page, tag

SMUGGLED = """<h1>t</h1>
<script>document.title = "run"</script>
<img src="x" alt="x" onerror="document.title = 'run'">
<img src="https://example.org/a.png" alt="x">
<link rel="stylesheet" href="https://example.org/a.css">
<p id="styled" style="color: rgb(1, 2, 3)">x</p>
<style>h1 { color: rgb(1, 2, 3) }</style>
<iframe src="https://example.org"></iframe>"""


def test_the_policy_stops_what_got_in(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page("still", Html(SMUGGLED)), encoding="utf-8")

    with browser.open(path) as opened:
        assert opened.title() == "still"
        colours = [opened.evaluate(f"getComputedStyle(document.querySelector('{s}')).color") for s in ("h1", "#styled")]
        assert "rgb(1, 2, 3)" not in colours
        blocked = [message for message in opened.errors if "Content Security Policy" in message]
        assert len(blocked) >= 6


def test_the_same_without_the_policy_gets_through(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page("still", Html(SMUGGLED)).replace("Content-Security-Policy", "x"), encoding="utf-8")

    with browser.open(path) as opened:
        assert opened.title() == "run"


@pytest.mark.parametrize("dark", [False, True])
def test_the_theme_follows_the_reader(browser, tmp_path, dark):
    path = tmp_path / "page.html"
    path.write_text(page("t", tag("h1", "t")), encoding="utf-8")

    with browser.open(path, dark=dark) as opened:
        ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(21, 23, 27)" if dark else "rgb(255, 255, 255)")
        assert (opened.errors, opened.requests) == ([], [])
        opened.emulate_media(media="print")
        assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
