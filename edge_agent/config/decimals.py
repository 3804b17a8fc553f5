"""Decimal commas: where a table has them, and that a number with a point is not mistaken for another."""

import re
from collections.abc import Collection, Iterable

from edge_agent.config.fields import Place

Row = dict[str, str]
"""Its texts by column, without the empty ones."""
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?[^\d,.]*")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+[^\d.]*")


def decimal_comma(rows: Iterable[tuple[Place, Row]], columns: Collection[str]) -> str:
    """Return the place of the first number of `columns` that has a decimal comma, "" if none has."""
    found = (
        where.key for where, row in rows if any(_COMMA.fullmatch(row.get(column, "")) for column in columns)
    )
    return next(found, "")


def with_points(row: Row, columns: Collection[str], comma: str, place: Place) -> Row:
    """Return a row with a decimal point for the comma in `columns`, without what may mean two numbers.

    `comma` is where the table has a decimal comma, "" if nowhere: beside one a point parts thousands, or is a
    slip, and is told.
    """
    kept = {}
    for column, text in row.items():
        if column not in columns:
            kept[column] = text
        elif why := _ambiguous(text, comma):
            place.at(column).wrong(why)
        else:
            kept[column] = text.replace(",", ".") if _COMMA.fullmatch(text) else text
    return kept


def _ambiguous(text: str, comma: str) -> str:
    """Say what is wrong with a number, "" if nothing is."""
    if "." in text and "," in text:
        return f"{text!r} has a comma and a point; write it without what parts thousands, such as 1234,5"
    if "." not in text or not comma:
        return ""
    ways = [text.replace(".", ",")] if text.count(".") == 1 else []
    ways += [f"{text.replace('.', '')} if the point parts thousands"] if _THOUSANDS.fullmatch(text) else []
    return f"{text!r} has a point, and {comma} has a decimal comma: write {', or '.join(ways) or 'a number'}"
