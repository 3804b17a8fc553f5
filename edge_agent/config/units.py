"""Whether the units of tags are units. pint takes a second and 24 MB, so only `check` asks."""

import re
from collections.abc import Iterable
from functools import cache

import pint

from edge_agent.config.fields import nearest
from edge_agent.core.tags import Tag

_UCUM = {"Cel": "degC", "[degF]": "degF", "[in_i]": "inch", "[ft_i]": "foot", "[psi]": "psi", "[g]": "g_0"}
"""Spellings of the Unified Code for Units of Measure that pint does not have."""
_ELECTRIC = ("var = volt * ampere", "varh = var * hour", "VAh = volt_ampere * hour", "Ohm = ohm")
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_PARTED = re.compile(r"[/.·*() ]+")
_EXPONENT = re.compile(r"\^?[+-]?[0-9]+$|[⁺⁻]?[⁰¹²³⁴-⁹]+$")


def problems(tags: Iterable[Tag]) -> list[str]:
    """Return a sentence for every tag whose unit is none, in pint's spelling or in UCUM's."""
    return [
        f"{tag.name}: unit {tag.unit!r} is unknown; {nearest(tag.unit, _names())}"
        for tag in tags
        if not is_unit(tag.unit)
    ]


@cache
def is_unit(text: str) -> bool:
    """Whether a text such as ``mm/s``, ``m3/h``, ``kW.h`` or ``Cel`` is a unit. None at all is one."""
    text = _ANNOTATION.sub("", text).replace("**", "^")
    return text.count("(") == text.count(")") and all(
        _is_factor(part) for part in _PARTED.split(text) if part
    )


def _is_factor(text: str) -> bool:
    return text == "1" or _is_name(text) or _is_name(_EXPONENT.sub("", text))


def _is_name(text: str) -> bool:
    return bool(text) and bool(_registry().parse_unit_name(_UCUM.get(text, text)))


@cache
def _registry() -> pint.UnitRegistry[float]:
    registry: pint.UnitRegistry[float] = pint.UnitRegistry()
    for definition in _ELECTRIC:
        registry.define(definition)
    return registry


@cache
def _names() -> list[str]:
    return sorted(
        {*_registry(), *_UCUM, "mm/s", "m3/h", "l/min", "kW", "kWh", "kvar", "kPa", "mA", "mV", "%"}
    )
