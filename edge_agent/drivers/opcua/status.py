"""StatusCodes (OPC 10000-4, 7.39): severity and sub-code in the upper half, more bits in the lower."""

from functools import cache

from asyncua import ua

SEMANTICS_CHANGED, STRUCTURE_CHANGED = 0x4000, 0x8000
"""Told once with a value: its unit or range is another from now on, or its data type is."""
_SEVERITIES = ("Good", "Uncertain", "Bad", "Bad")


def code(status: int) -> int:
    """Return severity and sub-code alone: what two statuses have in common that mean the same."""
    return status & 0xFFFF_0000


@cache
def name(status: int) -> str:
    """Return the name of severity and sub-code; a sub-code that is not of the standard as its number."""
    found = str(ua.StatusCode(code(status)).name)
    unknown = found == _SEVERITIES[status >> 30] and code(status) & 0x3FFF_0000
    return f"{found} 0x{code(status):08X}" if unknown else found
