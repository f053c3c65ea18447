"""Text from outside: nothing invisible stays, nothing is cut unsaid, numbers read as they should."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xent._page import fixed, number, share, thousands, visible

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=80)


@given(anything)
def test_nothing_invisible_is_left_and_the_result_is_utf8(text):
    shown = visible(text, limit=None)

    shown.encode("utf-8")
    assert not {unicodedata.category(c) for c in shown.replace("\u200c", "").replace("\u200d", "")} & {
        "Cc", "Cf", "Cs", "Zl", "Zp",
    }  # fmt: skip
    assert visible(shown, limit=None) == shown


@given(anything, st.integers(0, 80))
def test_a_cut_says_how_much_it_left_out(text, limit):
    shown = visible(text, limit)

    if len(text) <= limit:
        assert shown == visible(text, None)
    else:
        assert shown.startswith(visible(text[:limit], None))
        assert f"({len(text) - limit} more character" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("line\r\nend\t", "line\\r\\nend\\t"),
        ("nul\x00", "nul\\x00"),
        ("half\ud800", "half\\ud800"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("soft\xadhyphen", "soft\\xadhyphen"),
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),
        (None, "None"),
    ],
)
def test_what_is_hidden_is_written_out_and_what_is_spelling_stays(text, shown):
    assert visible(text) == shown


def test_one_character_too_many_is_one_character():
    assert visible("abc", 2) == "ab… (1 more character)"
    assert visible("abc", 2, counted=False) == "ab…"


@given(st.floats())
def test_every_number_has_words_without_a_hyphen_for_its_sign(value):
    for words in (number(value), fixed(value), share(value)):
        assert words
        assert "-" not in words
        assert ("−" in words) == (value < 0)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_share_between_0_and_1_is_never_shown_as_either(value):
    shown = share(value)

    if "×" not in shown:
        assert 0 < float(shown) < 1


@given(st.integers())
def test_grouping_changes_no_digit(value):
    assert int(thousands(value).replace("\xa0", "").replace("−", "-")) == value
