"""The documentation as people see it: built without a warning, every page in a browser, wide, narrow, dark, linked."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_PAGES = {"genindex.html", "py-modindex.html", "search.html"}


@pytest.fixture(scope="module")
def site():
    """The folder of the built site; what is built already is not built again."""
    folder = ROOT / "docs" / "_build" / "html"
    options = ["-W", "--keep-going", "-q", "-n", "-d", ".cache/doctrees", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, "docs", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def pages(site: Path) -> list[Path]:
    return sorted([*site.glob("*.html"), *site.glob("questions/*.html")])


def test_every_page_shows_without_asking_for_anything_from_elsewhere(browser, site):
    for path in pages(site):
        with browser.open(path, root=site) as page:
            assert page.requests == [], path.name
            assert page.errors == [], path.name
            assert page.locator("h1").count() or path.name == "search.html", path.name
            broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
            assert broken == [], path.name


def test_a_remote_asset_would_be_seen(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<h1>a</h1><script src='https://cdn.example/x.js'></script>")
    with browser.open(path, root=tmp_path) as page:
        assert page.requests == ["https://cdn.example/x.js"]


def test_every_page_fits_a_phone(browser, site):
    for path in pages(site):
        with browser.open(path, root=site, width=390, height=844) as page:
            assert page.fits(), path.name


def test_pages_are_dark_for_those_who_like_it(browser, site):
    with browser.open(site / "index.html", root=site, dark=True) as page:
        red, green, blue = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert max(red, green, blue) < 64


class Links(HTMLParser):
    """Where a page leads, and the places on it that can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets, self.places = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.targets.append(found["href"])


def dead(folder: Path) -> list[str]:
    """Links inside a folder of pages that lead nowhere."""
    known = {path.resolve(): Links(path) for path in folder.rglob("*.html")}
    result = []
    for path, links in known.items():
        for target in links.targets:
            url = urlsplit(target)
            if url.scheme or target.startswith("//"):
                continue
            there = (path.parent / unquote(url.path)).resolve() if url.path else path
            place = unquote(url.fragment)
            if not there.exists() or (place and there in known and place not in known[there].places):
                result.append(f"{path.name} -> {target}")
    return result


@pytest.mark.browser  # runs with the others, on the same site
def test_no_link_is_dead(site):
    assert not dead(site)


def test_a_dead_link_would_be_seen(tmp_path):
    (tmp_path / "a.html").write_text("<a href='b.html'>.</a><a href='#x'>.</a><a href='#y'>.</a><p id='y'>")
    assert dead(tmp_path) == ["a.html -> b.html", "a.html -> #x"]


@pytest.mark.browser  # the same
def test_every_page_of_the_source_is_a_page_of_the_site(site):
    built = {path.relative_to(site).with_suffix("") for path in pages(site) if path.name not in NOT_PAGES}
    docs = ROOT / "docs"
    sources = [*docs.glob("*.md"), *docs.glob("questions/*.md")]
    assert built == {path.relative_to(docs).with_suffix("") for path in sources}
