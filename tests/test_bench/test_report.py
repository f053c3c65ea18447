"""The page: sound, escaped, with its plots; in a browser light, dark, and on a phone."""

import pytest

from tests.pages import Tree, faults
from tests.test_bench.made import MACHINE, measured, record
from xent.bench import report
from xent.bench.record import Measured
from xent.bench.task import Task

HOSTILE = "</td><script>alert(1)</script>"
PAGES = {
    "full": record(
        measured(Task(65536, 1000), busy=0.4),
        *(measured(Task(4**k, 1000)) for k in range(2, 6)),
        *(measured(Task(1024, 4**k)) for k in range(1, 5)),
        measured(Task(1024, 128000, hidden=2048)),
        Measured(Task(9, 9), skipped="not enough memory"),
        options={"rounds": 9},
    ),
    "hostile": record(
        peers={name: {"label": HOSTILE, "call": HOSTILE, "versions": {HOSTILE: HOSTILE}} for name in ("xent", "torch")}
        | {"jax": {"label": "x" * 300, "missing": HOSTILE}, "copy-1": {"label": "$\\frac{"}},
        machine=MACHINE | {"processor": HOSTILE, HOSTILE: [HOSTILE]},
        command=HOSTILE,
    ),
    "nothing": record(Measured(Task(9, 9), skipped=HOSTILE)),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench pages")
    for name, made in PAGES.items():
        made.save(folder / f"{name}.html")
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_sound_and_holds_nothing_unescaped(written, name):
    html = (written / f"{name}.html").read_text(encoding="utf-8")
    assert faults(html) == []
    assert "<script>" not in html


def test_the_same_record_gives_the_same_page():
    assert report.render(PAGES["full"]) == report.render(PAGES["full"])


def test_the_page_says_what_the_table_says(written):
    text = Tree((written / "full.html").read_text(encoding="utf-8")).text()
    for words in (
        "xent: 2.00 × a copy, the fastest peer (jax + optax) takes 2.00 × as long, eager torch 4.00 ×",
        "others took 40% of the CPUs",
        "Not measured: not enough memory.",
        "HalfMultinomialLoss takes float32 and float64 only",
        "Growth with rows",
        "Growth with classes",
        "Error against time",
        "tensorflow is not installed",
        "torch 2.13.0",
    ):
        assert words in text, words


def test_there_is_a_plot_for_each_question(written):
    html = (written / "full.html").read_text(encoding="utf-8")
    assert html.count('class="plot"') == 5  # time, linear, growth by rows and by classes, error
    assert (written / "nothing.html").read_text(encoding="utf-8").count('class="plot"') == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_and_asks_for_nothing(browser, written, name, width, dark):
    with browser.open(written / f"{name}.html", width=width, dark=dark, script=False) as page:
        assert page.locator("h1").is_visible()
        assert page.fits()
        assert page.requests == []
        assert page.errors == []
