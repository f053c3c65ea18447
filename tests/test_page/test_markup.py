"""Elements: what is put in comes out as text, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages import Tree
from xent._page import Html, bar, escape, figure, join, name, table, tag, visible

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@given(anything, anything)
def test_a_parser_reads_back_what_was_put_in(text, value):
    tree = Tree(tag("b", text, class_=value))

    assert tree.wrong == []
    assert tree.tags == [("b", {"class": visible(value, None)})]
    assert "".join(data for _, data in tree.texts) == visible(text, None)


def test_html_is_not_escaped_as_a_child_and_is_as_an_attribute():
    inner = tag("b", '"')

    assert tag("p", inner) == "<p><b>&quot;</b></p>"
    assert tag("p", title=inner) == '<p title="&lt;b&gt;&amp;quot;&lt;/b&gt;"></p>'


def test_text_joined_to_html_is_text_again():
    assert escape(tag("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert join(["<", tag("br")]) == "&lt;<br>"
    assert isinstance(join([]), Html)


@pytest.mark.parametrize("blank", ["", " ", "\u3000"])
def test_a_blank_name_is_seen(blank):
    assert name(blank) == f"<bdi>“{blank}”</bdi>"


def test_a_table_names_its_rows_and_columns_and_scrolls_by_itself():
    tree = Tree(table("Sizes", ["part", "rows"], [["<test>", 270], ["train", 1257]]))

    assert tree.wrong == []
    assert tree.tags[0] == ("div", {"class": "scroll", "role": "region", "aria-label": "Sizes", "tabindex": "0"})
    assert [a.get("scope") for a in tree.all("th")] == ["col", "col", "row", "row"]
    assert tree.text() == "Sizes part rows <test> 270 train 1257"


def test_a_table_without_a_head_has_none():
    assert "thead" not in table("Settings", [], [["lr", 1]])


@pytest.mark.parametrize(("share", "width"), [(0.0, "0"), (0.256, "25.6"), (1.5, "100"), (-1.0, "0"), (1 / 3, "33.33")])
def test_a_bar_is_as_wide_as_its_share(share, width):
    assert Tree(bar(share)).all("rect") == [{"class": "a", "width": width, "height": "8"}]


def test_no_share_no_bar():
    assert bar(float("nan")) == ""


def test_a_figure_has_its_sentence():
    assert figure(tag("hr"), "a & b") == "<figure><hr><figcaption>a &amp; b</figcaption></figure>"
