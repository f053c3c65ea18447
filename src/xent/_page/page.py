"""The one page: head, content-security policy, style, body. Standard library only.

A page is one file and asks for nothing: the policy forbids every request and allows one style sheet and, where a page
needs one, one script, both named by their hashes, and pictures that are in the page itself. So even text that got past
the escaping could not load, run, send or restyle anything.
"""

import base64
import hashlib
from importlib.resources import files

from xent._page.markup import Html, tag

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%230b5cad'/%3E"
    "%3Cg fill='%23fff'%3E%3Cpath d='M3 7h10v2H3z'/%3E"
    "%3Ccircle cx='8' cy='4' r='1.5'/%3E%3Ccircle cx='8' cy='12' r='1.5'/%3E%3C/g%3E%3C/svg%3E"
)  # a division sign


def page(title: str, body: Html, *, style: str = "", script: str = "") -> str:
    r"""A whole HTML document.

    title   plain text, for the window and for bookmarks
    body    the content of <main>: one h1, then headings in order
    style   rules of this page alone, after the common ones; they can use the colours of style.css
    script  the page's own program, at its end; without it the page must say the same. "": none

    Raises ValueError if `style` or `script` would end its element.

    >>> page("a & b", tag("h1", "a & b")).startswith('<!doctype html>\n<html lang="en">')
    True
    """
    if not isinstance(body, Html):
        raise TypeError("the body must be Html (xent._page.tag makes it), so that nothing gets in unescaped")
    rules = (sheet() + style).strip() + "\n"
    if "</style" in rules.lower():
        raise ValueError("a style sheet must not contain </style")
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("a script must not contain </script or <!--")
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(rules, script)),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href=_ICON),
        Html(f"<style>{rules}</style>"),
    ]
    program = [f"<script>{script}</script>"] if script else []
    inner = "\n".join([*head, "</head>", "<body>", f"<main>\n{body}\n</main>", *program, "</body>", "</html>"])
    return f'<!doctype html>\n<html lang="en">\n<head>\n{inner}\n'


def policy(rules: str, script: str = "") -> str:
    """The content-security policy of a page whose only style sheet is `rules`, and whose only script `script` is.

    Source: W3C Content Security Policy Level 3, sections 2.3.1 (hash sources) and 6.
    """
    allowed = f"style-src 'sha256-{_digest(rules)}'; " + (f"script-src 'sha256-{_digest(script)}'; " if script else "")
    return f"default-src 'none'; {allowed}img-src data:; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    """The hash by which a policy names a text."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def sheet() -> str:
    """The common style sheet, as text."""
    return files("xent._page").joinpath("style.css").read_text(encoding="utf-8")
