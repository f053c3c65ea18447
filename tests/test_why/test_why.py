"""`xent explain --why`: the answer, on the default batch and on one's own, in the terminal and as a page."""

import json

import pytest

from tests.pages import faults
from xent.core.errors import OptionError
from xent.train.explained import Given, given
from xent.train.why import why
from xent.train.why_page import why_page
from xent.train.why_text import SHOWN, text


def answer(**options):
    return why(Given(), options, own=False)


def test_the_nudge_says_which_gradient_belongs_to_which_loss():
    found = answer()
    assert (found.item, found.place, found.divisor) == (0, 2, 2.0)
    mean, total, mixed = found.claims
    assert (round(mean.loss, 4), round(mean.gradient, 4), round(mean.nudged, 4)) == (0.4076, -0.1674, -0.1674)
    assert (round(total.loss, 4), round(total.gradient, 4), round(total.nudged, 4)) == (0.8152, -0.3348, -0.3348)
    assert [claim.right for claim in found.claims] == [True, True, False]
    assert mixed.gradient / mixed.nudged == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"denominator": 7},
        {"weight": [1.0, 2.0, 3.0]},
        {"sample_weight": [0.5, 3.0]},
        {"label_smoothing": 0.2},
        {"micro_batches": 2},
        {"softcap": 2.0},
    ],
    ids=str,
)
def test_it_holds_for_any_option(options):
    found = answer(**options)
    assert [claim.right for claim in found.claims] == [True, True, False]
    assert found.mean.check().ok
    assert found.sum.check().ok


def test_it_holds_for_real_flowers_with_a_layer_in_front():
    found = why(given("iris", None, None, 3), {}, own=True)
    assert [claim.right for claim in found.claims] == [True, True, False]
    assert found.claims[2].gradient / found.claims[2].nudged == pytest.approx(3.0, rel=1e-4)


def test_with_padding_the_divisor_is_what_counts():
    found = why(given(None, "1 2; 3 1; 0 0", "1 0 -100", None), {}, own=True)
    assert found.divisor == 2.0
    assert found.divided_by == "2 of 3"


def test_one_item_has_nothing_to_divide_and_is_told_so():
    found = why(given(None, "1 2 3", "2", None), {}, own=True)
    assert all(claim.right for claim in found.claims)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reduction": "sum"}, "--why compares the mean with the sum: leave --reduction out."),
        (
            {"ignore_index": 2, "weight": [0.0, 1.0, 1.0]},
            "--why needs a batch with a finite loss in which something counts.",
        ),
    ],
)
def test_what_it_cannot_answer(options, words):
    with pytest.raises(OptionError) as raised:
        answer(**options)
    assert str(raised.value) == words


def test_the_text_fits_80_columns_and_says_it_in_its_first_lines():
    found = answer()
    written = text(found, (found.mean.to_text(80), found.sum.to_text(80)))
    lines = written.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "y − t is the gradient of ONE item. Your batch's loss is the MEAN of its items,"
    assert lines[1] == "so the last node divides by N = 2, and so does its backward."
    assert "✗ 2 times too long" in written
    for name in SHOWN:
        assert f"    {name} " in written
    assert "SGD, batches of 64           yes, bit for bit        0" in written


def test_the_page_is_sound_and_holds_both_graphs():
    found = answer()
    for graph in (found.mean, found.sum):
        graph.check()
    html = why_page(found)
    assert faults(html, script=True) == []
    assert html.count("<svg") == 2
    assert "times too long" in html
    assert len(html) < 300_000


def test_the_record_is_json():
    record = json.loads(json.dumps(answer().to_dict(), allow_nan=False))
    assert [claim["right"] for claim in record["claims"]] == [True, True, False]
    assert record["same_as_a_learning_rate"][0] == {
        "setting": "SGD, batches of 64", "same": True, "difference": 0.0, "remedy": "", "remedied": None,
    }  # fmt: skip
    assert record["mean"]["loss"] * 2 == pytest.approx(record["sum"]["loss"])


def test_the_page_in_a_browser(browser, tmp_path):
    from tests.test_graph.test_graph_browser import ACCESSIBLE

    path = tmp_path / "why.html"
    path.write_text(why_page(answer()), encoding="utf-8")
    for width, dark in ((1280, False), (390, True)):
        with browser.open(path, width=width, dark=dark) as page:
            assert page.fits()
            assert page.evaluate(ACCESSIBLE) == []
            assert (page.errors, page.requests) == ([], [])
    with browser.open(path) as page:
        said = page.locator(".said")
        page.get_by_role("button", name="first").nth(1).click()
        assert "step 10 of 10" in said.nth(0).inner_text()
        assert "step 1 of" in said.nth(1).inner_text()
