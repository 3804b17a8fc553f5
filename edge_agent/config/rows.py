"""The columns of a tag table. Field names are the columns."""

import msgspec

from edge_agent.config.fields import Seconds, Unit


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What every tag has. `values` are the labels of an enumeration, ``0=off|1=on``."""

    name: str
    scale: float = 1.0
    offset: float = 0.0
    unit: Unit = Unit()
    low: float = float("-inf")
    high: float = float("inf")
    values: str = ""
    scan: Seconds | None = None


NUMBERS = ("scale", "offset", "low", "high", "deadband")
"""Columns that hold numbers."""
DECIMALS = ("scan",)
"""Columns that hold a text with a number in it."""


class ModbusRow(Row, frozen=True, kw_only=True):
    """Where and as what.

    `nan` are bit patterns, ``0x8000|0xFFFF``; `factor` names the tag that holds a power of ten.
    """

    address: str
    table: str = ""
    type: str = ""
    order: str = ""
    encoding: str = "ascii"
    nan: str = ""
    factor: str = ""


class OpcUaRow(Row, frozen=True, kw_only=True):
    """A node, a field of its value, and the change, in the tag's unit, that a subscription tells of."""

    node: str
    field: str = ""
    deadband: float | None = None
