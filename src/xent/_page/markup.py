"""HTML built from elements: whatever is not HTML already is escaped. Standard library only."""

import html
from collections.abc import Iterable, Sequence

from xent._page.text import LIMIT, visible

_VOID = frozenset({"br", "hr", "img", "link", "meta"})


class Html(str):
    """Text that is HTML already. `__html__` is what Jinja and notebooks ask for, so they do not escape it again."""

    __slots__ = ()

    def __html__(self) -> str:
        """Itself, as it is."""
        return str(self)


def escape(value: object) -> Html:
    r"""The value as HTML: as it is if it is `Html`, else with nothing invisible left in it and escaped, quotes too.

    >>> escape("<b>'\u202e'</b>"), escape(Html("<b>"))
    ('&lt;b&gt;&#x27;\\u202e&#x27;&lt;/b&gt;', '<b>')
    """
    return value if isinstance(value, Html) else Html(html.escape(visible(value, limit=None), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """One element; children are escaped unless they are `Html`, attribute values always; None or False leaves one out.

    `class_` is written class, `aria_label` aria-label, True an attribute without a value.

    >>> tag("p", "a < b", tag("br"), class_="x", hidden=True, title=None)
    '<p class="x" hidden>a &lt; b<br></p>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """The parts one after the other, each escaped unless it is `Html`."""
    return Html("".join(escape(part) for part in parts))


def name(text: object, limit: int | None = LIMIT, *, counted: bool = True) -> Html:
    """A name from the data (a class, a column, a file): cut, and kept from turning the line around it.

    >>> name("</td>"), name("")
    ('<bdi>&lt;/td&gt;</bdi>', '<bdi>“”</bdi>')
    """
    shown = visible(text, limit, counted=counted)
    return tag("bdi", shown if shown.strip() else f"“{shown}”")


def scroll(label: str, *children: object) -> Html:
    """A box that scrolls sideways by itself, also by keyboard, so that the page never has to."""
    return tag("div", *children, class_="scroll", role="region", aria_label=label, tabindex="0")


def table(
    caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, text_columns: Iterable[int] = (0,)
) -> Html:
    """A table whose first column names the row; columns not in `text_columns` hold numbers and are set to the right.

    Without a head (an empty sequence) the caption and the first column say it all.

    >>> table("Sizes", ["part", "rows"], [["test", 270]], text_columns=[0]).count("scope=")
    3
    """
    left = set(text_columns)

    def kind(column: int) -> str | None:
        return None if column in left else "number"

    heads = [tag("th", cell, scope="col", class_=kind(column)) for column, cell in enumerate(head)]
    top = tag("thead", tag("tr", *heads)) if heads else ""
    body = [
        tag(
            "tr",
            *(
                tag("td" if column else "th", cell, scope=None if column else "row", class_=kind(column))
                for column, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return scroll(caption, tag("table", tag("caption", caption), top, tag("tbody", *body)))


def figure(picture: Html, caption: object, **attributes: object) -> Html:
    """A picture with the sentence that says what to see in it."""
    return tag("figure", picture, tag("figcaption", caption), **attributes)


def bar(fraction: float, kind: str = "a") -> Html:
    r"""A small bar for a share of one, for a table cell; the number stands beside it, so it says nothing by itself.

    Without a share (NaN) the cell stays empty.

    >>> print(bar(0.5).replace("><rect", ">\n<rect"))
    <svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect class="a" width="50" height="8"></rect></svg>
    """
    if fraction != fraction:  # noqa: PLR0124 -- NaN
        return Html("")
    width = f"{100 * min(max(fraction, 0.0), 1.0):.4g}"
    rect = tag("rect", class_=kind, width=width, height=8)
    return tag("svg", rect, class_="bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")
