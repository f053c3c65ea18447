"""One HTML page for everything that is shown in a browser. Standard library only."""

from xent._page.markup import Html, bar, escape, figure, join, name, scroll, table, tag
from xent._page.page import page
from xent._page.picture import colours, themed
from xent._page.text import fixed, number, share, thousands, visible

__all__ = [
    "Html",
    "bar",
    "colours",
    "escape",
    "figure",
    "fixed",
    "join",
    "name",
    "number",
    "page",
    "scroll",
    "share",
    "table",
    "tag",
    "themed",
    "thousands",
    "visible",
]
