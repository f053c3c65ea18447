"""Text that came from outside, made safe to look at. Standard library only."""

import unicodedata

LIMIT = 60
"""Characters of a name that are shown; what is left out is counted."""

_JOINERS = "\u200c\u200d"  # part of Persian, Indic and emoji spelling: they stay
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: object, limit: int | None = LIMIT) -> str:
    r"""The text with nothing invisible in it, cut after `limit` characters.

    Control and format characters (direction marks, zero-width space, soft hyphen), line ends and lone surrogates become
    escapes, so that two names that differ look different and no name can reorder the line around it. The result can
    always be written as UTF-8. It is not HTML: `markup.tag` escapes it. With limit None nothing is cut.

    >>> visible("a\u202eb\x00c\n")
    'a\\u202eb\\x00c\\n'
    >>> visible("x" * 10_000, limit=5)
    'xxxxx… (9\xa0995 more characters)'
    """
    whole = str(text)
    kept = whole if limit is None or len(whole) <= limit else whole[:limit]
    shown = "".join(_escaped(character) if _hidden(character) else character for character in kept)
    left_out = len(whole) - len(kept)
    if not left_out:
        return shown
    return f"{shown}… ({thousands(left_out)} more character{'s' if left_out > 1 else ''})"


def thousands(number: int) -> str:
    """The integer with a no-break space between groups of three digits.

    >>> thousands(1257), thousands(-800000).replace(chr(160), "_")
    ('1\\xa0257', '-800_000')
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def _hidden(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 -- widths of Python's escapes
