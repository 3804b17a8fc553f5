"""Rows of a Modbus tag table: what the columns come to."""

import pytest

from edge_agent.config.modbus_tags import addresses_of
from edge_agent.config.rows import ModbusRow


@pytest.mark.parametrize(
    ("kind", "text", "patterns"),
    [
        ("int16", "-32768", (0x8000,)),
        ("int16", "-32768|0x7FFF", (0x8000, 0x7FFF)),
        ("int8", "-1", (0xFF,)),
        ("int32", "-2147483648", (0x80000000,)),
        ("int64", "-1", (2**64 - 1,)),
        ("uint16", "65535", (0xFFFF,)),
        ("int16[2]", "-0x8000", (0x8000,)),
    ],
)
def test_a_negative_mark_of_no_value_is_the_pattern_of_its_signed_type(
    kind: str, text: str, patterns: tuple[int, ...]
) -> None:
    row = ModbusRow(name="a", address="7", table="holding", type=kind, nan=text)
    assert {address.nan for address in addresses_of(row, "wire", 0)} == {patterns}
