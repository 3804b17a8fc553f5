"""What the documents say of numbers that a PLC reads is what the code says."""

import json
import re
from pathlib import Path

import links
import msgspec

from edge_agent.core.manifest import Manifest
from edge_agent.core.permit import Denied
from edge_agent.core.resultblock import FIELDS, LAYOUT, AlarmBits, State
from edge_agent.core.steps import schema
from edge_agent.core.tags import Reason

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "controls-engineer.md").read_text(encoding="utf-8")


def _rows(after: str) -> list[list[str]]:
    lines = TEXT[TEXT.index(after) :].splitlines()[3:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_documented_block_is_the_written_block() -> None:
    assert [(name, kind, int(word)) for word, name, kind, _ in _rows("<!-- block")] == list(FIELDS)
    assert str(LAYOUT) in TEXT


def test_the_documented_states_and_reasons_are_those_of_the_code() -> None:
    assert {(int(n), name) for n, name, _ in _rows("<!-- states")} == {(s.value, s.name) for s in State}
    assert [(1 << int(n), name) for n, name, _ in _rows("<!-- alarm bits")] == [
        (b.value, b.name) for b in AlarmBits
    ]
    assert [(int(n), name) for n, name, _ in _rows("<!-- denied")] == [(d.value, d.name) for d in Denied]
    assert [(int(n), name) for n, name, _ in _rows("<!-- reasons")] == [(r.value, r.name) for r in Reason]


def test_every_link_between_documents_leads_somewhere() -> None:
    assert links.dead(DOCS.parent) == []


def test_the_published_schema_is_that_of_the_manifest() -> None:
    """It is made by msgspec.json.schema(Manifest, schema_hook=steps.schema), indented by two."""
    published = json.loads((DOCS / "manifest.schema.json").read_text(encoding="utf-8"))
    assert published == msgspec.json.schema(Manifest, schema_hook=schema)


def test_every_test_that_the_reliability_page_names_is_there() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[^`:]+)(?:::(\w+))?`", page)
    assert len(named) > 60
    for file, name in named:
        path = DOCS.parent / file
        assert path.exists(), file
        assert not name or f"def {name}(" in path.read_text(encoding="utf-8"), f"{file} has no {name}"


def test_the_reliability_page_has_every_fault_once() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(range(1, 53))


def test_every_fault_of_the_reliability_page_has_a_result() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    faults = page.partition("## Figures")[0]
    rows = [line for line in faults.splitlines() if "`tests/" in line and line.startswith("|")]
    assert len(rows) > 52
    assert [row for row in rows if not re.search(r"\| (holds|in part)\b[^|]*\|$", row)] == []
