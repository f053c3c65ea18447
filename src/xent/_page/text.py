"""Text that came from outside, made safe to look at. Standard library only."""

import math
import unicodedata

LIMIT = 60
"""Characters of a name that are shown; what is left out is counted."""

_JOINERS = "\u200c\u200d"  # part of Persian, Indic and emoji spelling: they stay
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_GROUPED = 10_000
_EXACT = 17  # decimals with which every double below 1 is told from 1
_LONG = 1e9  # beyond this, groups of digits say less than a power of ten
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: object, limit: int | None = LIMIT, *, counted: bool = True) -> str:
    r"""The text with nothing invisible in it, cut after `limit` characters.

    Control and format characters (direction marks, zero-width space, soft hyphen), line ends and lone surrogates become
    escapes, so that nothing hides in a name and no name can reorder the line around it. The result can always be
    written as UTF-8. It is not HTML: `markup.tag` escapes it. With limit None nothing is cut; without `counted` a cut
    is an ellipsis only, for a place where the whole name stands near by.

    >>> visible("a\u202eb\x00c\n")
    'a\\u202eb\\x00c\\n'
    >>> visible("x" * 10_000, limit=5)
    'xxxxx… (9995 more characters)'
    """
    whole = str(text)
    kept = whole if limit is None or len(whole) <= limit else whole[:limit]
    shown = "".join(_escaped(character) if _hidden(character) else character for character in kept)
    left_out = len(whole) - len(kept)
    if not left_out or not counted:
        return shown + "…" * bool(left_out)
    return f"{shown}… ({thousands(left_out)} more character{'s' if left_out > 1 else ''})"


def thousands(number: int) -> str:
    r"""The integer with a no-break space between groups of three digits, from five digits on.

    >>> thousands(1257), thousands(-800000)
    ('1257', '−800\xa0000')
    """
    grouped = f"{number:,}" if abs(number) >= _GROUPED else str(number)
    return grouped.replace(",", "\N{NO-BREAK SPACE}").replace("-", "−")


def number(value: float, digits: int = 3) -> str:
    r"""The value with `digits` significant digits, in words where it is none; sign and exponent as they are printed.

    >>> (
    ...     number(0.12649),
    ...     number(-3.0),
    ...     number(4.25e-18),
    ...     number(math.nan),
    ...     number(-math.inf),
    ...     number(1234567.0),
    ...     number(12000.0, 5),
    ... )
    ('0.126', '−3', '4.25\xa0×\xa010⁻¹⁸', 'NaN', '−∞', '1.23\xa0×\xa010⁶', '12\xa0000')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    mantissa, _, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    power = f" × 10{str(int(exponent)).translate(_RAISED)}" if exponent else ""
    if mantissa.lstrip("-").isdigit():
        mantissa = thousands(int(mantissa))
    return mantissa.replace("-", "−") + power.replace(" ", "\N{NO-BREAK SPACE}")


def fixed(value: float, decimals: int = 3) -> str:
    r"""The value with `decimals` decimals, for columns; with significant digits where those would show only zeros.

    >>> fixed(0.1), fixed(2.30259), fixed(0.0000123), fixed(0.0), fixed(math.inf), fixed(123456.7)
    ('0.100', '2.303', '1.23\xa0×\xa010⁻⁵', '0.000', '∞', '123\xa0457')
    """
    if not math.isfinite(value) or 0 < abs(value) < 10.0 ** (1 - decimals):
        return number(value, decimals)
    if abs(value) >= 10.0 ** (2 + decimals):
        return thousands(round(value)) if abs(value) < _LONG else number(value, decimals)
    return f"{value + 0.0:.{decimals}f}".replace("-", "−")  # no sign on a zero


def share(value: float, decimals: int = 3) -> str:
    """A fraction of one, with `decimals` decimals or as many more as it takes not to be taken for 0 or 1.

    >>> share(0.97407), share(1.0), share(0.99996), share(1 - 2**-53), share(0.0), share(0.0002), share(math.nan)
    ('0.974', '1.000', '0.99996', '0.9999999999999999', '0.000', '0.0002', 'NaN')
    """
    if not 0.5 * 0.1**decimals <= value < 1:
        return number(value, 2) if 0 < value < 1 else fixed(value, decimals)
    while decimals < _EXACT and float(f"{value:.{decimals}f}") == 1:
        decimals += 1
    return f"{value:.{decimals}f}"


def _hidden(character: str) -> bool:
    return character not in _JOINERS and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 -- widths of Python's escapes
