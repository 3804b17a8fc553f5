"""The historian on a real disk: what is there after a close, after an alarm, and when the disk is no good."""

import asyncio
import json
import logging
import math
import os
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from agent_process import AgentProcess, Plc, small_bundle, until
from modbus_proxy import free_port
from plc_line import ADVISORY, device, machine, start_plant

from edge_agent import historian as module
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import FILE, Historian
from edge_agent.history.audit import Entry
from edge_agent.history.rows import Row
from edge_agent.history.store import Store

pytestmark = pytest.mark.sockets
INPUTS = Columns(
    np.array([1.5, math.nan]), np.array([2, 0], np.uint8), np.array([0, 5], np.uint8), np.zeros(2, np.int64)
)
WEAR = Reading(output="wear", score=0.25, value=0.25, alarm=True, changed=True)
CLASS = Reading(output="state", score=0.5, value=2.0, confidence=0.5)
GOOD = Verdict(
    state=State.ADVISORY, reason=Reason.NONE, score=0.25, alarm=True, changed=True, readings=(WEAR, CLASS)
)
NONE = Verdict(state=State.FALLBACK, reason=Reason.NOT_FINITE, culprit="head")


@contextmanager
def historian(folder: Path) -> Iterator[Historian]:
    opened = Historian(folder)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return connection.execute(query).fetchall()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{r.levelname} {r.getMessage()}" for r in caplog.records if r.name == module.__name__]


def test_all_that_was_given_is_there_after_close(tmp_path: Path) -> None:
    before = time.time()
    with historian(tmp_path) as history:
        for sequence in range(500):
            history.result("m", sequence, INPUTS, GOOD, sequence)
        history.result("m", 499, INPUTS, NONE, 499)
        history.event("m", "state", "FALLBACK")
    found = rows(
        tmp_path, "SELECT machine, sequence, state, reason, score, alarm, inputs FROM result ORDER BY id"
    )
    assert len(found) == 501
    assert found[7] == ("m", 7, "ADVISORY", "NONE", 0.25, 1, "[1.5, null]")
    assert found[-1][2:6] == ("FALLBACK", "NOT_FINITE", None, 0)
    assert json.loads(str(found[-1][6])) == [1.5, None]
    ((outputs,),) = rows(tmp_path, "SELECT outputs FROM result WHERE sequence = 7")
    assert json.loads(str(outputs)) == {
        "wear": {"alarm": True, "score": 0.25, "value": 0.25},
        "state": {"alarm": False, "score": 0.5, "value": 2.0, "confidence": 0.5},
    }
    assert rows(tmp_path, "SELECT subject, kind, text FROM event") == [("m", "state", "FALLBACK")]
    ((first, last),) = rows(tmp_path, "SELECT min(time), max(time) FROM result")
    assert before <= first <= last <= time.time()
    assert (history.committed, history.lost) == (502, 0)


async def test_an_alarm_is_on_the_disk_when_its_call_returns(tmp_path: Path) -> None:
    with historian(tmp_path) as history:
        for turn in range(3):
            history.result("m", turn, INPUTS, GOOD, turn)
            await history.alarm("m", GOOD)
            assert rows(tmp_path, "SELECT machine, output, active, score FROM alarm") == [
                ("m", "wear", 1, 0.25)
            ] * (turn + 1), "of the output whose alarm changed, and of no other"
            assert rows(tmp_path, "SELECT count(*) FROM result") == [(turn + 1,)], "what came before it too"


async def test_an_alarm_without_a_score_is_kept(tmp_path: Path) -> None:
    with historian(tmp_path) as history:
        verdict = msgspec.structs.replace(NONE, readings=(Reading(output="wear", changed=True),))
        await history.alarm("m", verdict)
        assert rows(tmp_path, "SELECT active, score FROM alarm") == [(0, None)]


async def test_a_folder_that_is_none_loses_history_but_raises_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "state"
    folder.write_text("in the way")
    with historian(folder) as history:
        for sequence in range(3):
            history.result("m", sequence, INPUTS, GOOD, sequence)
            started = time.monotonic()
            await history.alarm("m", GOOD)
            assert time.monotonic() - started < 0.9, "a failed commit is an answer too"
        assert (history.committed, history.lost) == (0, 3)
        assert "unable to open database file" in history.trouble or "Not a directory" in history.trouble
        folder.unlink()
        folder.mkdir()
        await history.alarm("m", GOOD)
        assert history.committed == 4, "the alarms were kept in memory"
        assert history.trouble == ""
    assert rows(folder, "SELECT count(*) FROM alarm") == [(4,)]
    told = lines(caplog)
    assert [line.split()[0] for line in told] == ["WARNING", "INFO"]
    assert "unable to open database file" in told[0]
    assert "3 rows were lost" in told[1]


def damaged(folder: Path) -> list[Path]:
    return [p for p in folder.glob(f"{FILE}.damaged-*") if not p.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("damage", ["no database", "a page in the middle", "of a later version"])
async def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE
    if damage == "no database":
        path.write_bytes(os.urandom(5000))
    else:
        with historian(tmp_path) as history:
            for sequence in range(300):
                history.result("m", sequence, INPUTS, GOOD, sequence)
        if damage == "of a later version":
            with closing(sqlite3.connect(path)) as later:
                later.execute("PRAGMA user_version = 99")
        else:
            data = bytearray(path.read_bytes())
            data[2 * 4096 : 3 * 4096] = os.urandom(4096)
            path.write_bytes(data)
    before = path.read_bytes()
    with historian(tmp_path) as history:
        await history.alarm("m", GOOD)
        assert history.lost == 0
    assert len(rows(tmp_path, "SELECT id FROM alarm")) == 1
    (aside,) = damaged(tmp_path)
    assert aside.read_bytes() == before
    (told,) = [r.getMessage() for r in caplog.records if "damaged" in r.getMessage()]
    assert aside.name in told


async def test_the_history_of_the_first_release_is_brought_up(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        old.executescript(
            "CREATE TABLE result (id INTEGER PRIMARY KEY, time REAL, machine TEXT, sequence INTEGER,"
            " state TEXT, reason TEXT, score REAL, alarm INTEGER, inputs TEXT);"
            "CREATE TABLE alarm (id INTEGER PRIMARY KEY, time REAL, machine TEXT, active INTEGER,"
            " score REAL);"
            "CREATE TABLE event (id INTEGER PRIMARY KEY, time REAL, subject TEXT, kind TEXT, text TEXT);"
            "INSERT INTO alarm(time, machine, active, score) VALUES (1, 'old', 1, 0.5);"
        )
    with historian(tmp_path) as history:
        history.result("m", 1, INPUTS, GOOD, 1)
        await history.alarm("m", GOOD)
        assert history.lost == 0
    assert [machine for (machine,) in rows(tmp_path, "SELECT machine FROM alarm ORDER BY id")] == ["old", "m"]


async def test_at_its_largest_the_oldest_results_make_room_and_alarms_stay(tmp_path: Path) -> None:
    history = Historian(tmp_path, largest=100 * 4096)
    history.open()
    try:
        for sequence in range(4000):
            history.result("m", sequence, INPUTS, GOOD, sequence)
            if sequence % 400 == 0:
                await history.alarm("m", GOOD)
        await history.alarm("m", GOOD)
        assert history.lost == 0
    finally:
        history.close()
    assert len(rows(tmp_path, "SELECT id FROM alarm")) == 11
    kept = [sequence for (sequence,) in rows(tmp_path, "SELECT sequence FROM result ORDER BY id")]
    assert 500 < len(kept) < 4000
    assert kept == list(range(4000 - len(kept), 4000))
    assert (tmp_path / FILE).stat().st_size <= 100 * 4096


async def test_a_slow_disk_delays_an_alarm_by_its_deadline_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ALARM_DEADLINE", 0.2)
    with historian(tmp_path) as history:
        await history.alarm("m", GOOD)
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("BEGIN EXCLUSIVE")
            started = asyncio.get_running_loop().time()
            await history.alarm("m", GOOD)
            assert asyncio.get_running_loop().time() - started < 0.5
    assert "not on the disk yet" in lines(caplog)[0]


async def test_an_alarm_waits_for_no_thread_of_the_executor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All of them may be waiting for a name server that says nothing."""
    busy = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    waiting = asyncio.create_task(asyncio.to_thread(busy.wait, 60))
    with historian(tmp_path) as history:
        await history.alarm("m", GOOD)
        assert rows(tmp_path, "SELECT count(*) FROM alarm") == [(1,)]
    busy.set()
    await waiting
    assert lines(caplog) == []


def test_a_full_queue_is_counted_and_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_QUEUE", 10)
    history = Historian(tmp_path)
    for sequence in range(25):
        history.result("m", sequence, INPUTS, GOOD, sequence)
    assert history.lost == 15
    history.open()
    history.close()
    assert history.committed == 10


def test_other_tools_may_read_while_it_writes(tmp_path: Path) -> None:
    with historian(tmp_path) as history:
        history.result("m", 0, INPUTS, GOOD, 0)
        until(lambda: history.committed, "the first commit", 5)
        with closing(sqlite3.connect(f"file:{tmp_path / FILE}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM result").fetchone() == (1,)
            history.result("m", 1, INPUTS, GOOD, 1)
            until(lambda: history.committed == 2, "a commit beside a reader", 5)
    assert history.lost == 0


@pytest.fixture
def agent(dense_tflite: bytes, tmp_path: Path) -> Iterator[tuple[AgentProcess, Plc]]:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    with start_plant(free_port()) as plant:
        config = tmp_path / "c.toml"
        text = '[agent]\nstate = "state"\n' + device("a", plant.modbus_port) + machine("alpha", "a", "a")
        config.write_text(text, encoding="utf-8")
        with AgentProcess(config) as agent:
            yield agent, Plc(plant.modbus_port)


def test_a_full_disk_costs_history_and_no_result(agent: tuple[AgentProcess, Plc]) -> None:
    process, plc = agent
    until(lambda: plc.frame().state == ADVISORY, "results")
    until(lambda: process.status()["history_committed"] > 10, "history")
    mark = len(process.lines)
    _, hard = resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    until(lambda: process.status()["history_lost"] > 10, "losses of history")
    first = plc.frame()
    until(lambda: plc.frame().at > first.at + 1, "a second")
    last = plc.frame()
    assert (last.sequence - first.sequence) / (last.at - first.at) == pytest.approx(10, abs=1.5)
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    until(lambda: len(process.told(mark)) == 2, f"two lines, {process.told(mark)}")
    broke, again = process.told(mark)
    assert broke.startswith("WARNING historian: ")
    assert again.startswith("INFO historian: writes again")
    assert process.terminate() == 0
    kept = rows(process.state, "SELECT count(*), max(sequence) FROM result")
    assert kept[0][1] == plc.frame().sequence


async def test_a_disk_that_hangs_is_told_of_and_is_no_reason_to_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG", 0.2)
    monkeypatch.setattr(module, "ALARM_DEADLINE", 0.5)
    with historian(tmp_path) as history:
        await history.alarm("m", GOOD)
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await history.alarm("m", GOOD)
            assert history.trouble == "the disk has not answered for 0.2 s"
            assert history.hung == ""


def spin(until: threading.Event) -> None:
    while not until.is_set():
        pass


@pytest.mark.parametrize("stick", [threading.Event.wait, spin])
@pytest.mark.parametrize("opened", [True, False])
def test_a_writer_stuck_by_a_fault_of_its_own_is_told_and_one_that_opens_a_large_file_has_time(
    stick: Callable[[threading.Event], object], opened: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG", 0.2)
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.02)
    freed = threading.Event()
    with historian(tmp_path) as history:
        if opened:
            history.event("m", "before", "")
            until(lambda: history.committed == 1, "an open file")
        else:
            opens = Store._open
            monkeypatch.setattr(Store, "_open", lambda store: (stick(freed), opens(store))[1])
        history._put(Row(lambda *_: stick(freed), rare=False))
        until(lambda: history.trouble, "a turn that takes long")
        if opened:
            until(lambda: history.hung == "historian", "a stuck writer")
        else:
            assert history.hung == ""
            monkeypatch.setattr(module, "LONGEST_CHECK", 0.2)
            until(lambda: history.hung == "historian", "a stuck writer")
        freed.set()
        until(lambda: history.hung == "", "progress")


def test_a_writer_that_the_kernel_holds_is_no_reason_to_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG", 0.2)
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.02)
    hanging, answer = os.pipe()
    with historian(tmp_path) as history:
        history.event("m", "before", "")
        until(lambda: history.committed == 1, "an open file")
        history._put(Row(lambda *_: os.read(hanging, 1), rare=False))
        until(lambda: history.trouble == "the disk has not answered for 0.2 s", "the trouble")
        for _ in range(50):
            assert history.hung == ""
        os.write(answer, b"1")
        until(lambda: history.trouble == "", "an end of the trouble")
    os.close(hanging)
    os.close(answer)


async def test_it_is_unaudited_from_a_refused_audit_until_the_disk_takes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.02)
    entry = Entry(machine="m", output="o", old=0.0, new=1.0, why="x", model="a", config="b")
    with historian(tmp_path) as history:
        assert await history.audit(entry)
        assert not history.unaudited
        with monkeypatch.context() as failing:
            failing.setattr(Store, "keep", lambda *_: False)
            assert not await history.audit(entry)
            await asyncio.sleep(0.1)
            assert history.unaudited
        history.event("m", "x", "y")
        until(lambda: not history.unaudited, "a disk that takes it")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_writer_ends_its_progress(tmp_path: Path) -> None:
    with historian(tmp_path) as history:
        assert history.hung == ""
        history.result("m", 0, INPUTS, None, 0)  # type: ignore[arg-type]
        until(lambda: history.hung == "historian", "an end of the writer", 5)
