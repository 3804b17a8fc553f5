"""Modicon notation: the table as the first digit, the address counted from one."""

from edge_agent.core.registers import Address, Table

TABLES: dict[str, Table] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


def from_modicon(text: str) -> tuple[Table, int]:
    """Turn ``40401`` or ``400401`` into table and zero-based wire address. Raises ValueError."""
    if len(text) not in (5, 6) or text[0] not in TABLES or int(text[1:]) == 0:
        raise ValueError(f"address {text!r} is not in Modicon notation, such as 40001 or 400001")
    return TABLES[text[0]], int(text[1:]) - 1


def to_modicon(table: str, offset: int) -> str:
    """Turn table and zero-based wire address into Modicon notation, six digits where five do not do."""
    digit = next(d for d, name in TABLES.items() if name == table)
    return f"{digit}{offset + 1:0{4 if offset < 9999 else 5}d}"


def both(address: Address) -> tuple[str, str]:
    """Return where a value lives as wire address and in Modicon notation, with its bits if it has some."""
    bits = "" if address.bit is None else f".{address.bit}"
    if address.width > 1:
        bits += f"-{(address.bit or 0) + address.width - 1}"
    return f"{address.table} {address.offset}{bits}", to_modicon(address.table, address.offset) + bits
