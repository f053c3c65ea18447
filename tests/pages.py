"""What must be true of every HTML page that the package makes, checked on its text.

`faults(html)` lists what is wrong; an empty list means a sound page. tests/test_page shows that it finds each fault.
"""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr"}
HEADINGS = {f"h{level}" for level in range(1, 7)}
INLINE = {"a", "b", "bdi", "code", "em", "i", "small", "span", "strong", "style", "title"}
NEVER = {"script", "iframe", "object", "embed", "form", "base"}


class Tree(HTMLParser):
    """Start tags with their attributes, nesting, text, and whatever was wrong on the way."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += [f"<{name}> is never closed" for name in self.open]

    def handle_starttag(self, tag, attrs):
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag not in INLINE:
            self.texts.append(("", " "))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")
        if tag not in INLINE:
            self.texts.append(("", " "))

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self) -> str:
        """What a person reads, white space and the edges of blocks made one blank."""
        return " ".join(
            "".join(data for where, data in self.texts if where not in {"script", "style", "title"}).split()
        )

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def faults(html: str, *, script: bool = False) -> list[str]:
    """What is wrong with a page: structure, accessibility, safety, self-containment. `script`: it has one."""
    tree = Tree(html)
    wrong = list(tree.wrong)
    names = [name for name, _ in tree.tags]
    levels = [int(name[1]) for name in names if name in HEADINGS]
    wrong += [f"{names.count(name)} <{name}>" for name in ("h1", "title", "main", "style") if names.count(name) != 1]
    if levels[:1] != [1] or any(b > a + 1 for a, b in itertools.pairwise(levels)):
        wrong.append(f"headings out of order: {levels}")
    wrong += [f"<{name}>" for name in sorted((NEVER - {"script"} if script else NEVER) & set(names))]
    if script and tree.all("script") != [{}]:
        wrong.append("not one script, or one with attributes")
    ids = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    wrong += [f"id {name!r} twice" for name in sorted({name for name in ids if ids.count(name) > 1})]
    for name, attributes in tree.tags:
        wrong += [f"attribute {key} in <{name}>" for key in attributes if key == "style" or key.startswith("on")]
        for key in ("href", "src"):
            target = attributes.get(key) or ("" if key in attributes else "data:")
            if not (target.startswith("data:image/") or target == "data:" or target[1:] in ids):
                wrong.append(f"{key}={target!r} leads out of the page or nowhere")
    wrong += ["an img without alt" for attributes in tree.all("img") if not attributes.get("alt")]
    wrong += ["a th without scope" for attributes in tree.all("th") if attributes.get("scope") not in {"row", "col"}]
    if names.count("table") != names.count("caption"):
        wrong.append("a table without caption")
    wrong += [
        "an svg that says nothing and is not hidden"
        for attributes in tree.all("svg")
        if not (attributes.get("aria-label") or attributes.get("aria-hidden"))
    ]
    return wrong + _policy_faults(html, tree, script=script)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _policy_faults(html: str, tree: Tree, *, script: bool) -> list[str]:
    policies = [a["content"] for a in tree.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    style = "".join(data for where, data in tree.texts if where == "style")
    program = html.partition("<script>")[2].partition("</script>")[0]
    allowed = f"style-src 'sha256-{_digest(style)}'; " + (f"script-src 'sha256-{_digest(program)}'; " if script else "")
    right = f"default-src 'none'; {allowed}img-src data:; base-uri 'none'; form-action 'none'"
    wrong = [] if policies == [right] else [f"policy {policies}"]
    wrong += ["the style sheet asks for something"] if re.search(r"url\(|@import", style) else []
    first = html[: html.find("<style")]
    return wrong + [
        f"no {what}" for what in ('<meta charset="utf-8">', 'name="viewport"', 'lang="en"') if what not in first
    ]
