"""report.html in a browser: a desktop, a phone, light, dark, without script, open folds, on paper."""

import pytest

from tests.pages import Tree
from tests.test_train import example_runs
from xent.train import report

RUNS = {
    "digits": example_runs.digits,
    "iris": example_runs.iris,
    "text": example_runs.text,
    "hostile": example_runs.hostile,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report with blanks & ü")
    made = {name: folder / f"{name}.html" for name in RUNS}
    for name, path in made.items():
        path.write_text(report.render(RUNS[name]()), encoding="utf-8")
    return made


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("name", "width"), [*((name, width) for name in RUNS for width in (1280, 390)), ("digits", 320), ("hostile", 320)]
)
def test_it_fits_and_asks_for_nothing_without_script(browser, files, name, width, dark):
    with browser.open(files[name], width=width, dark=dark, script=False) as page:
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == dark
        assert page.locator("h1").is_visible()
        assert page.fits()
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert page.fits()
        assert page.requests == []
        assert page.errors == []


def test_folds_open_without_script(browser, files):
    with browser.open(files["digits"], script=False) as page:
        for fold in page.locator("details").all():
            assert not fold.locator("table, ul").first.is_visible()
            fold.locator("summary").click()
            assert fold.locator("table, ul").first.is_visible()


@pytest.mark.parametrize("name", RUNS)
def test_the_browser_reads_the_elements_that_were_written(browser, files, name):
    """Nothing is moved, dropped or added while parsing, so the page is the document that was meant."""
    with browser.open(files[name]) as page:
        read = page.evaluate("[...document.querySelectorAll('*')].map(e => e.localName.toLowerCase())")

    assert read == [tag for tag, _ in Tree(files[name].read_text(encoding="utf-8")).tags]


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_a_phone_shows_the_matrix_whole(browser, files, name):
    with browser.open(files[name], width=390) as page:
        assert page.evaluate("(m => m.scrollWidth <= m.clientWidth)(document.querySelector('.matrix').parentElement)")


def test_words_on_tints_and_series_can_be_read(browser, files):
    """The colours that the browser really shows, in both themes."""
    script = """() => {
        const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        const rgb = c => {
            canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255);
        };
        const light = c => rgb(c).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const ratio = (a, b) => {
            const [x, y] = [light(a), light(b)].sort((p, q) => p - q);
            return (y + .05) / (x + .05);
        };
        const paper = getComputedStyle(document.body).backgroundColor;
        const cells = [...document.querySelectorAll('.matrix td[class]')].map(e => getComputedStyle(e))
            .map(s => ratio(s.color, s.backgroundColor === 'rgba(0, 0, 0, 0)' ? paper : s.backgroundColor));
        const drawn = [...document.querySelectorAll('.plot text')].map(e => ratio(getComputedStyle(e).fill, paper));
        return [Math.min(...cells), Math.min(...drawn), cells.length, drawn.length];
    }"""
    for dark in (False, True):
        with browser.open(files["digits"], dark=dark) as page:
            cells, drawn, *counts = page.evaluate(script)
            assert cells >= 4.5
            assert drawn >= 4.5
            assert min(counts) > 20


def test_pictures_are_loaded_and_sharp(browser, files):
    with browser.open(files["digits"]) as page:
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth === 8)")
        assert page.evaluate("getComputedStyle(document.images[0]).imageRendering") == "pixelated"


def test_links_lead_to_their_sections(browser, files):
    with browser.open(files["digits"], width=390) as page:
        page.get_by_role("link", name="What the loss was divided by").click()
        assert page.evaluate("Math.abs(document.querySelector('#divided').getBoundingClientRect().top) < 40")


def test_paper_is_white_and_nothing_is_cut_off(browser, files):
    with browser.open(files["digits"], width=720, dark=True) as page:
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
        assert page.pdf().startswith(b"%PDF")


def test_a_browser_that_prefers_large_letters_still_fits(browser, files):
    with browser.open(files["digits"], width=390) as page:
        page.evaluate("document.documentElement.style.fontSize = '24px'")
        assert page.fits()
