"""The register map as files: CSV for a program, Markdown for people."""

import csv
import io
from collections.abc import Iterable, Sequence

from edge_agent.mapping.entries import Entry

_COLUMNS = Entry.__struct_fields__


def as_csv(entries: Sequence[Entry]) -> str:
    """Return the map as CSV (RFC 4180) with a line of names."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(_COLUMNS)
    rows.writerows([getattr(entry, column) for column in _COLUMNS] for entry in entries)
    return out.getvalue()


def as_markdown(name: str, entries: Sequence[Entry]) -> str:
    """Return the map as a Markdown page."""
    lines = [
        f"# Register map of {name}",
        "",
        "Addresses are zero-based wire addresses; `modicon` is the same place in Modicon notation.",
        "The engineering value is raw * scale + offset. `order` is how the bytes stand on the wire, A the",
        "most significant. Only `writer` writes a value.",
        "",
        *table(_COLUMNS, ([getattr(entry, column) for column in _COLUMNS] for entry in entries)),
    ]
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
