"""A tag file from the nodes that a server was found to have."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.drivers.opcua.browse import Found

COLUMNS = ("name", "node", "field", "unit", "low", "high")


class NothingToWrite(Exception):
    """No node has a value that a tag can hold. The text says why not."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many tags are in the file, and how many values have none, by why."""

    tags: int
    left_out: Counter[str]

    def text(self) -> str:
        """A line for the tags, and one for each reason."""
        return "\n".join([f"{self.tags} tags", *_reasons(self.left_out)])


def write(path: Path, nodes: Sequence[Found]) -> Written:
    """Write what tags can hold of the nodes: numbers, texts, times, also in arrays and structures.

    A tag is called by its last browse name, with those above it where that is needed to tell two apart.

    Raises:
        NothingToWrite: there would be no tag in it. No file is left.
        OSError: `path` exists, or cannot be written. No part of a file is left.
    """
    left_out = Counter(why for node in nodes for why in node.left_out)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = list(_rows([node for node in nodes if node.fields]))
    if not rows:
        why = "; ".join(_reasons(left_out)) or "none of them is a variable"
        raise NothingToWrite(f"nothing of {len(nodes)} nodes can be a tag: {why}")
    writer.writerows(rows)
    with path.open("x", newline="", encoding="utf-8") as file:
        try:
            file.write(table.getvalue())
            file.flush()
        except OSError:
            path.unlink()
            raise
    return Written(len(rows), left_out)


def _reasons(left_out: Counter[str]) -> list[str]:
    return [f"{count} left out: {why}" for why, count in left_out.most_common()]


def _rows(nodes: Sequence[Found]) -> Iterator[list[str]]:
    taken: Counter[str] = Counter()
    for name, node in zip(_names(nodes), nodes, strict=True):
        ends = ["" if end is None else f"{end:g}" for end in (node.low, node.high)]
        for field in node.fields:
            tag = f"{name}_{_word(field).strip('_')}" if field else name
            taken[tag] += 1
            tag = tag if taken[tag] == 1 else f"{tag}__{taken[tag]}"
            yield [tag, node.node, field, node.unit, *ends]


def _names(nodes: Sequence[Found]) -> list[str]:
    steps = [[_word(step) for step in re.split(r"(?<!&)/", node.path)[1:]] or [node.name] for node in nodes]
    names = [path[-1] for path in steps]
    for length in range(2, max(map(len, steps), default=1) + 1):
        times = Counter(names)
        names = ["_".join(p[-length:]) if times[n] > 1 else n for n, p in zip(names, steps, strict=True)]
    return names


def _word(step: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"^(?:[0-9]+:|nsu=[^;]+;)", "", step))
