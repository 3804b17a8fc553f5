"""Somebody else has the history file open: who writes lets all wait, who reads for long costs results."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from agent_process import until

from edge_agent import historian as module
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import FILE, Historian
from edge_agent.history import audit, file
from edge_agent.history.audit import Entry
from edge_agent.history.rows import Row, When
from edge_agent.history.store import Store

pytestmark = pytest.mark.sockets
INPUTS = Columns(np.ones(2), np.full(2, 2, np.uint8), np.zeros(2, np.uint8), np.zeros(2, np.int64))
READING = Reading(output="wear", score=0.5, value=0.5, alarm=True, changed=True)
VERDICT = Verdict(state=State.ADVISORY, reason=Reason.NONE, score=0.5, readings=(READING,))
ENTRY = Entry(machine="m", output="o", old=0.0, new=1.0, why="alarm", model="a", config="b")


@contextmanager
def historian(folder: Path, largest: int = file.LARGEST) -> Iterator[Historian]:
    opened = Historian(folder, largest)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def somebody(folder: Path, *statements: str) -> Iterator[None]:
    """Somebody with the sqlite3 shell, in a transaction."""
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement).fetchall()
        yield
        other.rollback()


def column(folder: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return [value for (value,) in connection.execute(query)]


def results(history: Historian, first: int, count: int) -> None:
    for sequence in range(first, first + count):
        history.result("m", sequence, INPUTS, VERDICT, sequence)


async def test_while_another_program_writes_all_but_the_audit_waits_and_is_there_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, module.__name__)
    with historian(tmp_path) as history:
        await history.alarm("m", VERDICT)
        with somebody(tmp_path, "BEGIN IMMEDIATE"):
            results(history, 0, 50)
            history.event("m", "state", "x")
            await history.alarm("m", VERDICT)
            assert not await history.audit(ENTRY), "what is not audited in time is not written"
            until(lambda: "another program is writing" in history.trouble, "trouble")
            results(history, 50, 50)
        until(lambda: history.committed >= 103, "the rows that waited")
        assert await history.audit(ENTRY)
        assert (history.lost, history.trouble) == (0, "")
    assert column(tmp_path, "SELECT sequence FROM result ORDER BY id") == list(range(100))
    assert column(tmp_path, "SELECT count(*) FROM alarm") == [2]
    assert column(tmp_path, "SELECT count(*) FROM event") == [1]
    assert column(tmp_path, "SELECT count(*) FROM audit") == [1], "what was refused is not there later"
    told = [r.getMessage() for r in caplog.records if "not on the disk" not in r.getMessage()]
    assert "history waits in memory" in told[0] or "history waits in memory" in told[1]
    assert told[-1].startswith("historian: writes again")


def test_a_row_of_the_audit_that_came_too_late_is_not_put_down_or_taken_back(tmp_path: Path) -> None:
    store = Store(tmp_path / FILE, file.LARGEST, 0)
    first, second = (audit.Attempt(ENTRY, When(1.0, n)) for n in (1, 2))
    assert store.keep([Row(first.insert)])
    first.late = second.late = True
    assert store.keep([Row(first.take_back), Row(second.insert), Row(second.take_back)])
    store.close()
    entries = [json.loads(str(text)) for text in column(tmp_path, "SELECT entry FROM audit ORDER BY id")]
    assert [entry["what_came"] for entry in entries] == ["", audit.NOT_SENT]
    assert audit.verify(tmp_path / FILE) == []


def test_what_waits_for_another_program_has_a_bound_and_results_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LONGEST_QUEUE", 10)
    monkeypatch.setattr(module, "MOST_RARE", 5)
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.05)
    monkeypatch.setattr(file, "PATIENCE_MS", 50)
    with historian(tmp_path) as history:
        history.event("m", "state", "first")
        until(lambda: history.committed == 1, "the first commit")
        with somebody(tmp_path, "BEGIN IMMEDIATE"):
            history.event("m", "state", "second")
            results(history, 0, 9)
            until(lambda: history.trouble, "trouble")
            results(history, 9, 10)
            until(lambda: history.lost, "a loss")
        until(lambda: history.committed == 17, "the rows that waited, and how many were lost")
        assert history.lost == 5
        with somebody(tmp_path, "BEGIN IMMEDIATE"):
            results(history, 20, 3)
            history.close()
        assert history.lost == 8
    assert column(tmp_path, "SELECT sequence FROM result ORDER BY id") == list(range(5, 19))
    lost = "writes again, 5 rows were lost since the start"
    assert column(tmp_path, "SELECT text FROM event ORDER BY id") == ["first", "second", lost]
    assert "3 rows could not be kept before the end" in caplog.text


async def test_a_reader_that_never_ends_costs_results_and_not_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file, "SMALLEST_LOG", 400_000)
    log = tmp_path / f"{FILE}-wal"
    with historian(tmp_path, 1_000_000) as history:
        await history.alarm("m", VERDICT)
        with somebody(tmp_path, "BEGIN", "SELECT * FROM alarm"):
            for turn in range(30):
                results(history, 200 * turn, 200)
                await history.alarm("m", VERDICT)
            assert "another program has been reading it for too long" in history.trouble
            assert log.stat().st_size < 1_000_000
            assert history.lost > 2000
            assert not Store(tmp_path / FILE, 1_000_000, 0).must_not_grow(), "it is opened first"
            assert await history.audit(ENTRY)
        results(history, 6000, 1)
        await history.alarm("m", VERDICT)
        assert history.trouble == ""
        assert log.stat().st_size < 400_000
    assert column(tmp_path, "SELECT max(sequence) FROM result") == [6000]
    assert column(tmp_path, "SELECT count(*) FROM alarm") == [32]
    assert [r.levelname for r in caplog.records].count("WARNING") == 1
