"""Whether a text is a unit: symbols as plants write them, see ``units.txt``, and names that are spelled out.

What is known is known for what it is: in ``U/min`` pint sees the enzyme unit, in ``bar(g)`` a gram, in
``Nm3`` a number. So it is asked for words alone; it takes a second and 24 MB, and hardly anybody needs it.
"""

import difflib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

SHORTEST_WORD = 5
"""Letters of a name that is spelled out. Shorter ones of pint are `ton`, `rads`, `hand`."""
_ALIKE = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻\u03bc\u2126", "0123456789+-\u00b5\u03a9")
"""Superscripts, and the two micro signs and ohm signs that look alike."""
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_AROUND = re.compile(r" *([/.*·()]) *")
_GROUP = re.compile(r"(^|[/.*· ])\(([^()]+)\)")
"""Parentheses that do not follow a name: what stands in others, as in ``bar(g)``, is a part of the name."""
_BETWEEN = re.compile(r"[/.*· ]+")
_EXPONENT = re.compile(r"\^?[+-]?[0-9]+$")
_QUOTIENTS = ("mm/s", "m/s2", "m3/h", "Nm3/h", "l/min", "1/min", "U/min", "kg/h")
"""What may be meant by a misspelt text, beside the symbols."""


def near(text: str) -> str:
    """Return a unit that may be meant by a text that is none."""
    known = [*symbols(), *_QUOTIENTS]
    alike = [unit for unit in known if unit.casefold() == text.casefold() or unit == f"°{text}"]
    return next(iter([*alike, *difflib.get_close_matches(text, known, 1)]), "mm/s")


@cache
def is_unit(text: str) -> bool:
    """Whether a text such as ``mm/s``, ``m3/h``, ``kW.h``, ``bar(g)`` or ``Cel`` is a unit, or empty."""
    text = _ANNOTATION.sub("", text).translate(_ALIKE).replace("**", "^")
    whole = text.replace(" ", "")
    if not whole or meaning(whole):
        return True
    text, count = _AROUND.sub(r"\1", text.strip()), 1
    while count:
        text, count = _GROUP.subn(r"\1\2", text)
    return all(map(_is_factor, _BETWEEN.split(text.removeprefix("/"))))


def _is_factor(text: str) -> bool:
    if text == "1" or meaning(text):
        return True
    raised = meaning(_EXPONENT.sub("", text))
    return bool(raised) and " " not in raised


def meaning(name: str) -> str:
    """Return what one symbol or word stands for, "" if it is none."""
    return symbols().get(name) or (_spelled_out(name) if len(name) >= SHORTEST_WORD else "")


@cache
def symbols() -> dict[str, str]:
    """Return what each symbol of the table means."""
    text = (resources.files("edge_agent.config") / "units.txt").read_text(encoding="utf-8")
    lines = [line.partition(":") for line in text.splitlines() if line and not line.startswith("#")]
    return {symbol: what for what, _, listed in lines for symbol in listed.split()}


@cache
def _spelled_out(name: str) -> str:
    found = _registry().parse_unit_name(name) if name.replace("_", "").isalpha() else ()
    words = {prefix + unit for prefix, unit, _ in found} & {name, name.removesuffix("s")}
    return next(iter(words), "").replace("_", " ")


@cache
def _registry() -> "pint.UnitRegistry[float]":
    import pint  # noqa: PLC0415 - for hardly anybody, see above

    return pint.UnitRegistry()
