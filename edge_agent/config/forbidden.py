"""Registers that a device must not be asked for: ``holding 100-120``."""

import re

from edge_agent.config.fields import Place, nearest
from edge_agent.config.modicon import TABLES
from edge_agent.core.readplan import Range

_RANGE = re.compile(r"\s*(\w+)\s+(\d+)(?:\s*-\s*(\d+))?\s*")


def parse(text: str) -> Range:
    """Return a range of wire addresses. Raises ValueError."""
    match = _RANGE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a range such as 'holding 100-120'")
    name, first, last = match[1], int(match[2]), int(match[3] or match[2])
    table = next((table for table in TABLES.values() if table == name), None)
    if table is None:
        raise ValueError(f"table {name!r} is unknown; {nearest(name, TABLES.values())}")
    if not first <= last <= 65535:
        raise ValueError(f"{first}-{last} is not a range within 0-65535")
    return Range(table, first, last)


def ranges(texts: list[str], place: Place) -> list[Range]:
    """Return those that are ranges, keeping every error."""
    found = []
    for text in texts:
        try:
            found.append(parse(text))
        except ValueError as error:
            place.wrong(str(error))
    return found
