"""The history file itself: versions before, clocks that jump, damage while it is in use, too little room."""

import itertools
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.history import file, rows
from edge_agent.history import store as module
from edge_agent.history.rows import Row, When
from edge_agent.history.store import Store
from edge_agent.moment import boot_id, synchronised

pytestmark = pytest.mark.sockets
INPUTS = Columns(np.ones(2), np.full(2, 2, np.uint8), np.zeros(2, np.uint8), np.zeros(2, np.int64))
READING = Reading(output="wear", score=0.5, value=0.5, alarm=True, changed=True)
VERDICT = Verdict(state=State.ADVISORY, reason=Reason.NONE, score=0.5, readings=(READING,))
VERSION_2 = """
CREATE TABLE result (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER, state TEXT, reason TEXT,
    score REAL, alarm INTEGER, inputs TEXT, outputs TEXT);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, time REAL, machine TEXT, output TEXT, active INTEGER, score REAL,
    alarm TEXT, warning TEXT);
CREATE TABLE event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, entry TEXT, previous TEXT, hash TEXT);
INSERT INTO alarm(time, machine, output, active) VALUES (1, 'old', 'wear', 1), (1, 'old', 'wear', 1);
INSERT INTO result(time, machine, sequence) VALUES (1, 'old', 7);
PRAGMA user_version = 2;
"""


def query(path: Path, text: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text).fetchall()


def result(sequence: int) -> Row:
    return rows.result(When(time.time(), sequence), "m", sequence, INPUTS, VERDICT)


def test_a_file_of_the_version_before_is_brought_up_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_2)
    store = Store(path, 10**8, 0)
    assert store.keep([result(8), rows.alarm(When(2.0, 5), "m", READING)])
    store.close()
    assert store.note == ""
    assert query(path, "PRAGMA user_version") == [(file.VERSION,)]
    assert query(path, "SELECT sequence, monotonic, boot FROM result") == [(7, None, None), (8, 8, 1)]
    assert query(path, "SELECT machine, monotonic FROM alarm") == [("old", None), ("old", None), ("m", 5)]
    assert query(path, "SELECT boot FROM boot") == [(boot_id(),)]


def test_rows_say_whether_the_clock_was_right_and_keep_their_order_when_it_jumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "history.db", 10**8, 0)
    told = itertools.cycle([(True, 0.0), (False, 0.0)])
    monkeypatch.setattr(module, "synchronised", lambda: next(told))
    for at in (1e9, 2e9, 5.0):
        when = When(at, int(at))
        assert store.keep([rows.event(when, "clock", "jump", ""), rows.alarm(when, "m", READING)])
    store.close()
    found = query(tmp_path / "history.db", "SELECT time, synchronised FROM event ORDER BY id")
    assert found == [(1e9, 1), (2e9, 0), (5.0, 1)]


def test_this_box_says_whether_its_clock_is_right() -> None:
    right, error = synchronised()
    assert right in (True, False)
    assert error >= 0


def test_what_is_tried_again_is_there_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "history.db", 10**8, 0)
    again = [rows.alarm(When(1.0, 5), "m", READING), rows.event(When(1.0, 6), "m", "state", "x")]
    assert store.keep(again)
    assert store.keep(again)
    store.close()
    for table in ("alarm", "event"):
        assert query(tmp_path / "history.db", f"SELECT count(*) FROM {table}") == [(1,)]


def test_a_file_that_is_damaged_while_it_is_in_use_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = Store(path, 10**8, 0)
    assert store.keep([result(n) for n in range(2000)])
    store.close()
    assert store.keep([result(2000)])
    with path.open("r+b") as spoilt:
        spoilt.write(os.urandom(path.stat().st_size))
    kept = [store.keep([rows.event(When(1.0, n), "m", "state", "x")]) for n in range(3)]
    store.close()
    assert kept[-1], "it goes on with a new file"
    assert "is kept as history.db.damaged-" in store.note
    assert len(list(tmp_path.glob("history.db.damaged-*[0-9]"))) == 1
    assert query(path, "SELECT count(*) FROM event WHERE kind = 'damaged'") == [(1,)]


def test_below_the_floor_the_file_grows_no_more_and_the_newest_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.db"
    store = Store(path, 10**8, 0)
    assert store.keep([result(n) for n in range(20_000)])
    store.close()
    size = path.stat().st_size
    tight = Store(path, 10**8, 2**62)
    for start in range(20_000, 40_000, 500):
        assert tight.keep([result(n) for n in range(start, start + 500)])
        assert tight.keep([rows.alarm(When(1.0, start), "m", READING)])
    tight.close()
    assert path.stat().st_size <= size + 10 * file.PAGE
    ((first, last, count),) = query(path, "SELECT min(sequence), max(sequence), count(*) FROM result")
    assert last == 39_999
    assert count == last - first + 1 > 10_000
    assert query(path, "SELECT count(*) FROM alarm") == [(40,)]
    assert [r.getMessage() for r in caplog.records if "too little free space" in r.getMessage()]


def test_results_go_before_events_and_events_before_alarms(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = Store(path, 60 * file.PAGE, 0)
    assert store.keep([result(1)])
    for n in range(0, 3000, 100):
        assert store.keep([rows.alarm(When(1.0, k), "m", READING) for k in range(n, n + 10)])
        assert store.keep([rows.event(When(1.0, k), "m", "state", "x" * 50) for k in range(n, n + 100)])
    store.close()
    assert query(path, "SELECT count(*) FROM result") == [(0,)]
    assert query(path, "SELECT count(*) FROM alarm") == [(300,)]
    ((events, last),) = query(path, "SELECT count(*), max(monotonic) FROM event")
    assert last == 2999
    assert isinstance(events, int)
    assert 100 < events < 3000
