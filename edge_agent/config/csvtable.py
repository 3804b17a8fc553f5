"""A table in a CSV file as people have it: from an editor, or from Excel of any country.

Fields are parted by comma, semicolon or tab, whichever the header has. Where it is no comma, a decimal comma
is a decimal point. Lines that begin with ``#`` say something to people; empty ones say nothing.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from io import StringIO

from edge_agent.config.decimals import Row, decimal_comma, with_points
from edge_agent.config.fields import Place, nearest

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FOR_PEOPLE = ("#", "sep=")
"""Beginnings of lines that are no row; the second is Excel's own."""


def rows(
    place: Place, columns: Sequence[str], numbers: Collection[str], decimals: Collection[str]
) -> Iterator[tuple[Place, dict[str, object]]]:
    """Yield each row that is in order, without its empty fields, and its place; keep every error.

    `columns` are those that may be there. `numbers` are those of them that hold numbers, `decimals` those
    that hold texts with a number in them, such as ``1.5s``.
    """
    before = len(place.errors)
    lines = ["\n" if line.startswith(_FOR_PEOPLE) else line for line in _lines(place)]
    first = next((line for line in lines if line.strip()), "")
    separator = next((s for s in ";\t" if s in first), ",")
    measured = () if separator == "," else (*numbers, *decimals)
    comma = decimal_comma(_rows(lines, separator, columns, Place(place.file)), measured)
    empty = True
    for where, row in _rows(lines, separator, columns, place):
        empty = False
        texts = with_points(row, measured, comma, where)
        yield where, {column: _number(text) if column in numbers else text for column, text in texts.items()}
    if empty and len(place.errors) == before:
        place.wrong("holds no tag: below the header there is a row for each")


def _rows(
    lines: Sequence[str], separator: str, columns: Sequence[str], place: Place
) -> Iterator[tuple[Place, Row]]:
    header: list[str] = []
    try:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        for fields in reader:
            texts = [field.strip() for field in fields]
            if not any(texts):
                continue
            if not header:
                header = _header(texts, columns, place)
                if not header:
                    return
                continue
            where = place.at(f"line {reader.line_num}")
            if len(texts) < len(header) or any(texts[len(header) :]):
                where.wrong(f"has not the {len(header)} fields that the header names")
                continue
            yield where, {column: text for column, text in zip(header, texts, strict=False) if text}
    except csv.Error as error:
        place.wrong(f"not a CSV file: {error}")


def _lines(place: Place) -> list[str]:
    """Return the file's lines, none if it is not UTF-8."""
    try:
        data = place.file.read_bytes()
    except OSError as error:
        place.wrong(f"{error.strerror}; it should hold the tags")
        return []
    if data.startswith(_UTF16):
        place.wrong("is UTF-16, Excel's 'Unicode Text'; save it as 'CSV UTF-8'")
        return []
    try:
        return list(StringIO(data.decode("utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start : error.start + 1]
        place.at(f"line {line}").wrong(
            f"byte 0x{byte.hex()} is not UTF-8 (in Latin-1 it would be {byte.decode('latin-1')!r}); "
            "in Excel save as 'CSV UTF-8'"
        )
        return []


def _header(texts: list[str], columns: Sequence[str], place: Place) -> list[str]:
    while texts[-1] == "":
        texts.pop()
    before = len(place.errors)
    for i, name in enumerate(texts):
        where = place.at(f"column {name!r}")
        if name not in columns:
            where.wrong(f"unknown; {nearest(name, columns)}")
        elif name in texts[:i]:
            where.wrong("is there twice; keep one of them")
    return [] if len(place.errors) > before else texts


def _number(text: str) -> object:
    """Return a number, or the text if it is none: whoever reads the row says so."""
    try:
        return float(text)
    except ValueError:
        return text
