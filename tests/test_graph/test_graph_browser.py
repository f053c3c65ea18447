"""The page of a drawing in a browser: wide, narrow, light, dark; buttons, keys, pointer; without script; on paper."""

import pytest

import xent
from tests.test_graph.test_forms import CASES

WIDE = ["default", "linear", "many", "hostile", "parts"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph with blanks & ü")
    for name in WIDE:
        graph = CASES[name]()
        graph.check()
        graph.save(folder / f"{name}.html")
        graph.save(folder / f"{name}.svg")
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [*((name, 1280) for name in WIDE), ("default", 390), ("hostile", 320)])
def test_it_fits_and_asks_for_nothing(browser, files, name, width, dark):
    with browser.open(files / f"{name}.html", width=width, dark=dark) as page:
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert page.fits()
        assert page.requests == []
        assert page.errors == []
        assert page.locator("h1").is_visible()


def shown(page) -> int:
    """How many parts of the drawing can be seen."""
    return page.evaluate("document.querySelectorAll('svg .s:not(.later)').length")


def test_buttons_step_forward_and_backward(browser, files):
    with browser.open(files / "default.html") as page:
        page.emulate_media(reduced_motion="reduce")
        whole = shown(page)
        said = page.locator(".said")
        assert "step 10 of 10 · backward: ∂x = (y − t) times that share" in said.inner_text()
        page.get_by_role("button", name="first").click()
        assert "step 1 of 10 · forward: logits x" in said.inner_text()
        counts = [shown(page)]
        for _ in range(9):
            page.get_by_role("button", name="next").click()
            counts.append(shown(page))
        assert counts == sorted(set(counts))
        assert counts[-1] == whole
        page.get_by_role("button", name="back").click()
        assert shown(page) == counts[-2]
        page.get_by_role("button", name="show all").click()
        assert shown(page) == whole
        page.get_by_role("button", name="next").dispatch_event("click")
        assert shown(page) == whole


def test_a_gradient_is_hidden_until_backward_reaches_it(browser, files):
    with browser.open(files / "default.html") as page:
        page.emulate_media(reduced_motion="reduce")
        page.get_by_role("button", name="first").click()
        opacity = (
            "getComputedStyle([...document.querySelectorAll('svg text')]"
            ".find(t => t.textContent === '∂x').parentElement).opacity"
        )
        assert page.evaluate(opacity) == "0"
        page.keyboard.press("End")
        assert page.evaluate(opacity) == "1"


def test_the_keyboard_alone_is_enough(browser, files):
    with browser.open(files / "default.html") as page:
        whole = shown(page)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.value") == "first"
        page.keyboard.press("Enter")
        first = shown(page)
        assert first < whole
        page.keyboard.press("ArrowRight")
        assert first < shown(page) < whole
        page.keyboard.press("Home")
        assert shown(page) == first
        page.keyboard.press("End")
        assert shown(page) == whole
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.classList.contains('n')"):
                break
        assert "logits of item 0" in page.locator(".formula").inner_text()
        ring = page.evaluate("getComputedStyle(document.activeElement.querySelector('.box')).strokeWidth")
        assert float(ring.removesuffix("px")) >= 3


def test_pointing_at_a_node_says_its_formula_with_its_numbers(browser, files):
    with browser.open(files / "default.html") as page:
        formula = page.locator(".formula")
        assert "Point at a node" in formula.inner_text()
        page.locator(".n").filter(has_text="0.6652").first.hover()
        assert "y[2] = exp(3.0000 − lse) = 0.6652" in formula.inner_text()
        page.locator(".n").filter(has_text="mean").hover()
        assert "L = (0.4076 + 0.4076) / 2 = 0.4076" in formula.inner_text()


def test_names_from_outside_stay_text(browser, files):
    with browser.open(files / "hostile.html") as page:
        for node in page.locator(".n").all():
            node.hover(force=True)
        assert page.errors == []
        assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_without_script_it_is_a_still_picture(browser, files):
    with browser.open(files / "default.html", script=False) as page:
        assert not page.get_by_role("button").first.is_visible()
        assert page.locator("svg").first.is_visible()
        page.locator("summary").click()
        assert page.get_by_text("∂x0 = (y − t) · 1/2").first.is_visible()


def test_nothing_moves_for_those_who_do_not_want_it(browser, files):
    with browser.open(files / "default.html") as page:
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate("getComputedStyle(document.querySelector('.s')).transitionDuration") == "0s"
        page.emulate_media(reduced_motion="no-preference")
        assert page.evaluate("getComputedStyle(document.querySelector('.s')).transitionDuration") == "0.25s"


def test_paper_shows_everything(browser, files):
    with browser.open(files / "default.html", dark=True) as page:
        page.get_by_role("button", name="first").click()
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.querySelector('.later')).opacity") == "1"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# What axe-core checks of such a page, as far as it can be said without it (it was run on these pages too).
ACCESSIBLE = """() => {
    const wrong = [];
    const named = e => (e.getAttribute('aria-label') || e.textContent || '').trim();
    for (const e of document.querySelectorAll('button, a, summary, [tabindex="0"]'))
        if (!named(e)) wrong.push(`no name: ${e.outerHTML.slice(0, 80)}`);
    for (const e of document.querySelectorAll('[aria-hidden="true"] [tabindex]')) wrong.push('focus in what is hidden');
    for (const e of document.querySelectorAll('[tabindex]'))
        if (Number(e.getAttribute('tabindex')) > 0) wrong.push('an order of its own');
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    if (new Set(ids).size < ids.length) wrong.push('an id twice');
    const regions = [...document.querySelectorAll('[role=region]')].map(e => e.getAttribute('aria-label'));
    if (new Set(regions).size < regions.length) wrong.push('two regions of one name');
    for (const e of document.querySelectorAll('.scroll'))
        if (e.scrollWidth > e.clientWidth && e.tabIndex !== 0) wrong.push('scrolls, but not by keyboard');
    if (document.querySelector('[role=img] [tabindex], [role=img] button')) wrong.push('nested controls');
    for (const e of document.querySelectorAll('button')) {
        const box = e.getBoundingClientRect();
        if (box.width && (box.height < 24 || box.width < 24)) wrong.push('a small target');
    }
    if (document.documentElement.lang !== 'en') wrong.push('no language');
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const light = c => {
        canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255)
            .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    };
    const ratio = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => p - q);
        return (y + .05) / (x + .05);
    };
    const paper = getComputedStyle(document.body).backgroundColor;
    let texts = 0;
    for (const e of document.querySelectorAll('svg text')) {
        const box = e.closest('.n')?.querySelector('.box, .op');
        const ground = box && getComputedStyle(box).fill !== 'none' ? getComputedStyle(box).fill : paper;
        texts += 1;
        if (ratio(getComputedStyle(e).fill, ground) < 4.5) wrong.push(`too faint: ${e.textContent}`);
    }
    if (texts < 20) wrong.push('nothing to read');
    return wrong;
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", WIDE)
def test_everyone_can_read_and_reach_it(browser, files, name, dark):
    with browser.open(files / f"{name}.html", dark=dark, width=800) as page:
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert page.evaluate(ACCESSIBLE) == []


def test_a_page_that_nobody_can_read_would_be_seen(browser, tmp_path):
    path = tmp_path / "bad.html"
    html = xent.explain([[1.0, 2.0]], [0]).to_html()
    path.write_text(html.replace('<html lang="en">', "<html>").replace('aria-label="the drawing, reduction mean" ', ""))
    with browser.open(path) as page:
        found = page.evaluate(ACCESSIBLE)
        assert "no language" in found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_svg_shows_as_an_image_in_both_themes(browser, files, tmp_path, dark):
    path = files / "image.html"
    path.write_text('<!doctype html><img src="default.svg">')
    with browser.open(path, dark=dark, root=files) as page:
        assert page.evaluate("document.images[0].complete && document.images[0].naturalWidth > 800")
        assert page.errors == []
    with browser.open(files / "default.svg", dark=dark) as page:
        fill = page.evaluate("getComputedStyle(document.querySelector('text')).fill")
        assert fill == ("rgb(164, 171, 182)" if dark else "rgb(87, 96, 106)")
        assert page.errors == []
