"""A tag file from the nodes that a server was found to have."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from edge_agent.drivers.opcua.browse import Found

COLUMNS = ("name", "node", "unit", "low", "high")
_NUMBERS = {"Boolean", "SByte", "Byte", "Float", "Double", "Number", "Enumeration", "Duration"} | {
    f"{sign}Int{size}" for sign in ("", "U") for size in (16, 32, 64)
}


def write(path: Path, nodes: Sequence[Found]) -> int:
    """Write the variables that are single numbers as tags; return how many. Raises OSError if `path` exists.

    A tag is called by its last browse name, with those above it where that is needed to tell two apart.
    """
    numbers = [node for node in nodes if node.type in _NUMBERS]
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for name, node in zip(_names(numbers), numbers, strict=True):
            ends = ["" if end is None else f"{end:g}" for end in (node.low, node.high)]
            table.writerow([name, node.node, node.unit, *ends])
    return len(numbers)


def _names(nodes: Sequence[Found]) -> list[str]:
    steps = [[_word(step) for step in re.split(r"(?<!&)/", node.path)[1:]] or [node.name] for node in nodes]
    taken = [path[-1] for path in steps]
    for length in range(2, max(map(len, steps), default=1) + 1):
        double = {name for name in taken if taken.count(name) > 1}
        taken = ["_".join(p[-length:]) if n in double else n for n, p in zip(taken, steps, strict=True)]
    return taken


def _word(step: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"^(?:[0-9]+:|nsu=[^;]+;)", "", step))
