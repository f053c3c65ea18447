"""One HTML page for everything that is shown in a browser. Standard library only."""

from xent._page.markup import Html, bar, escape, figure, join, name, scroll, table, tag
from xent._page.page import page
from xent._page.picture import colours, themed
from xent._page.text import thousands, visible

__all__ = ["Html", "bar", "colours", "escape", "figure", "join", "name", "page", "scroll", "table", "tag", "themed", "thousands", "visible"]
