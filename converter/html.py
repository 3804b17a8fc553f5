"""One page about a bundle that needs nothing else: no network, no script, no other file.

The same bundle and the same measurements give the same bytes.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

Cell = str | float | None
_NOTHING = "-"
_TEMPLATE = "report_template.html"


def write(path: Path, title: str, sections: Iterable[str]) -> None:
    """Write the page, whole or not at all. Raises OSError."""
    template = Template(files("converter").joinpath(_TEMPLATE).read_text(encoding="utf-8"))
    page = template.substitute(title=escape(title), body="\n".join(s for s in sections if s))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def number(value: float, digits: int = 6) -> str:
    """Format as all tables do: six digits, a dash for what does not exist."""
    if isinstance(value, int):
        return str(value)
    return _NOTHING if math.isnan(value) else f"{value:.{digits}g}"


def percent(share: float) -> str:
    """Format a share of one."""
    return f"{100 * share:.4g} %"


def heading(title: str, subtitle: str) -> str:
    """Return the page's own title."""
    return f'<h1>{escape(title)}</h1>\n<p class="quiet">{escape(subtitle)}</p>'


def section(title: str, *parts: str, intro: str = "") -> str:
    """Return a headed section, or nothing if all of its parts are empty."""
    content = "\n".join(part for part in parts if part)
    lead = f'<p class="quiet">{escape(intro)}</p>\n' if intro else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{lead}{content}\n</section>" if content else ""


def table(
    head: Sequence[str], rows: Iterable[Sequence[Cell]], *, name: str, chosen: int | None = None
) -> str:
    """Return a table with `name` as its id; texts stand left, numbers right, row `chosen` is set off."""
    body = [list(row) for row in rows]
    text = [any(isinstance(row[column], str) for row in body) for column in range(len(head))]
    kind = [' class="text"' if is_text else "" for is_text in text]
    lines = ["".join(f"<th{k}>{escape(h)}</th>" for k, h in zip(kind, head, strict=True))]
    marks = [""]
    for place, row in enumerate(body):
        lines.append("".join(f"<td{k}>{_cell(c)}</td>" for k, c in zip(kind, row, strict=True)))
        marks.append(' class="chosen"' if place == chosen else "")
    inner = "\n".join(f"<tr{mark}>{line}</tr>" for mark, line in zip(marks, lines, strict=True))
    return f'<div class="table"><table id="{escape(name)}">\n{inner}\n</table></div>'


def tiles(told: Mapping[str, str]) -> str:
    """Return a row of short facts."""
    inner = "".join(
        f"<li><span>{escape(name)}</span><b>{escape(fact)}</b></li>" for name, fact in told.items()
    )
    return f'<ul class="tiles">{inner}</ul>'


def warnings(told: Sequence[str]) -> str:
    """Return what must not be overlooked, if there is any."""
    inner = "".join(f"<li>{escape(warning)}</li>" for warning in told)
    return f'<ul class="warnings">{inner}</ul>' if told else ""


def figure(svg: str, caption: str, *, wide: bool = False) -> str:
    """Return a figure with what there is to see."""
    kind = ' class="wide"' if wide else ""
    return f"<figure{kind}>\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def beside(*parts: str) -> str:
    """Return tables or figures side by side where there is room."""
    inner = "\n".join(part for part in parts if part)
    return f'<div class="beside">\n{inner}\n</div>' if inner else ""


def with_own_ids(part: str, prefix: str) -> str:
    """Return a part of a page with `prefix` before each id, so that there may be several of its kind."""
    return re.sub(r'\b(?:id="|href="#)|url\(#', lambda found: f"{found[0]}{prefix}-", part)


def _cell(cell: Cell) -> str:
    if cell is None:
        return _NOTHING
    return escape(cell) if isinstance(cell, str) else number(cell)
