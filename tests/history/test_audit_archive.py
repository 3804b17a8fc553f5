"""The audit has a bound of its own: its oldest rows go into files beside the history, and none is lost."""

import gzip
import logging
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli import main
from edge_agent.core.outputs import Reading
from edge_agent.history import archive, audit, file, rows
from edge_agent.history import store as module
from edge_agent.history.rows import Row, When
from edge_agent.history.store import Store
from edge_agent.moment import boot_id

pytestmark = pytest.mark.sockets
VERSION_4 = Path(__file__).with_name("version-4.sql")
READING = Reading(output="wear", score=0.5, value=0.5, alarm=True, changed=True)


def entry(number: int) -> Row:
    """Return the row of a write."""
    written = audit.Entry(machine="m", output="o", old=0.0, new=float(number), why="x", model="a", config="b")
    when = When(1e9 + number, number)
    return Row(lambda connection, clock: audit.insert(connection, when, clock, written), rare=False)


def ids(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT id FROM audit ORDER BY id")]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / archive.FOLDER).glob("*"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With room for 40 rows of the audit in the database, and for a little more than one file beside it."""
    return Store(tmp_path / "history.db", 280_000, 0)


def write(store: Store, first: int, last: int) -> None:
    for number in range(first, last + 1):
        assert store.keep([entry(number)])
        store.tend()


def test_the_oldest_rows_go_into_files_and_the_chain_stays_whole(store: Store, tmp_path: Path) -> None:
    assert store.keep([rows.alarm(When(1.0, 1), "m", READING)])
    write(store, 1, 100)
    store.close()
    path = tmp_path / "history.db"
    assert ids(path) == list(range(61, 101))
    assert files(tmp_path) == [f"0001-{first:012d}.csv.gz" for first in range(1, 61, 10)]
    packed = (tmp_path / "audit/0001-000000000011.csv.gz").read_bytes()
    first, *others = gzip.decompress(packed).decode().splitlines()
    assert first == ",".join(archive.COLUMNS)
    assert len(others) == 10
    assert others[0].startswith("11,1000000011.0,")
    assert others[0].split(",")[-3:-1] == ["11", boot_id()]
    assert audit.verify(path) == []
    exported = tmp_path / "x.csv"
    config = tmp_path / "c.toml"
    config.write_text('[agent]\nstate = "."\n', encoding="utf-8")
    told = CliRunner().invoke(main, ["history", "export", str(config), "audit", "-o", str(exported)])
    assert told.output.endswith("x.csv: 100 rows\n")
    assert exported.read_text(encoding="utf-8").count(boot_id()) == 100


def test_what_is_changed_or_missing_shows_in_the_files_too(store: Store, tmp_path: Path) -> None:
    write(store, 1, 100)
    store.close()
    old = tmp_path / "audit/0001-000000000021.csv.gz"
    whole = old.read_bytes()
    text, boot = gzip.decompress(whole), boot_id().encode()
    for data, told in (
        (gzip.compress(text.replace(b" 25.0,", b" 26.0,")), "row 25 was changed"),
        (gzip.compress(text.replace(b",25," + boot, b",26," + boot)), "row 25 was changed"),
        (gzip.compress(text.replace(b",25," + boot, b",25,other")), "row 25 was changed"),
        (whole[:-9], f"{old}: cannot be read"),
        (None, "rows 21 to 30 are missing"),
    ):
        old.write_bytes(data) if data else old.unlink()
        (wrong,) = audit.verify(tmp_path / "history.db")
        assert wrong.startswith(told)


def test_a_cut_between_the_file_and_the_database_leaves_every_row_once(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    write(store, 1, 40)
    store.close()
    shutil.copy(path, tmp_path / "before.db")
    write(store, 41, 41)
    store.close()
    assert files(tmp_path) == ["0001-000000000001.csv.gz"]
    (tmp_path / "before.db").replace(path)
    assert ids(path)[0] == 1, "as before the file was written"
    assert audit.verify(path) == []
    write(store, 41, 45)
    store.close()
    assert (audit.verify(path), ids(path)[0]) == ([], 11)
    assert files(tmp_path) == ["0001-000000000001.csv.gz"]


def test_a_new_database_begins_a_chain_beside_the_one_before(store: Store, tmp_path: Path) -> None:
    path, config = tmp_path / "history.db", tmp_path / "c.toml"
    write(store, 1, 60)
    store.close()
    path.write_bytes(b"x" * 5000)
    again = Store(path, 280_000, 0)
    config.write_text('[agent]\nstate = "."\n', encoding="utf-8")
    for last, there, name in ((1030, 50, "a.csv"), (1060, 80, "b.csv")):
        write(again, last - 29, last)
        assert audit.verify(path) == []
        out = str(tmp_path / name)
        told = CliRunner().invoke(main, ["history", "export", str(config), "audit", "-o", out])
        assert told.output.endswith(f"{name}: {there} rows\n"), "40 were in the damaged database alone"
    again.close()
    assert files(tmp_path) == [f"000{chain}-{first:012d}.csv.gz" for chain in (1, 2) for first in (1, 11)]


def test_the_oldest_file_goes_beyond_the_bound_and_that_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(store, 1, 60)
    store.close()
    total = sum(path.stat().st_size for path in (tmp_path / "audit").iterdir())
    smaller = Store(tmp_path / "history.db", 280_000, 0)
    monkeypatch.setattr(smaller._archive, "_size", total + 50)
    write(smaller, 61, 62)
    smaller.close()
    assert files(tmp_path)[0] == "0001-000000000011.csv.gz"
    assert audit.verify(tmp_path / "history.db") == []
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        told = connection.execute("SELECT subject, kind, text FROM event").fetchall()
    assert told == [
        ("history", "audit", "rows before those in 0001-000000000011.csv.gz are not kept any more")
    ]
    assert "rows before those in 0001-000000000011.csv.gz are not kept any more" in caplog.text


def test_an_archive_that_takes_nothing_costs_no_row_and_is_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / archive.FOLDER / ".0001-000000000001.csv.gz.new"
    in_the_way.mkdir(parents=True)
    clock = [time.monotonic()]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    write(store, 1, 60)
    clock[0] += module.ARCHIVE_AGAIN
    write(store, 61, 80)
    assert len(ids(tmp_path / "history.db")) == 80
    assert [r.levelno for r in caplog.records] == [logging.WARNING], "once"
    assert "cannot be archived" in caplog.text
    in_the_way.rmdir()
    clock[0] += module.ARCHIVE_AGAIN
    write(store, 81, 90)
    store.close()
    assert ids(tmp_path / "history.db")[0] == 51
    assert audit.verify(tmp_path / "history.db") == []


def test_alarms_stay_and_audit_goes_on_in_a_file_that_is_full(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be archived, and there is nothing else left to make room."""
    (tmp_path / archive.FOLDER).write_text("in the way")
    for number in range(0, 2000, 100):
        assert store.keep([rows.alarm(When(1.0, number + k), "m", READING) for k in range(10)])
        assert store.keep([entry(number + k) for k in range(100)])
        store.tend()
    store.close()
    assert "the oldest rows of the audit are dropped" in store.note
    assert [r.levelno for r in caplog.records].count(logging.ERROR) == 1
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("SELECT count(*) FROM alarm").fetchone() == (200,)
    left = ids(tmp_path / "history.db")
    assert left == list(range(left[0], 2001))
    assert audit.verify(tmp_path / "history.db") == []


def test_a_file_of_version_4_is_brought_up_and_its_chain_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_4.read_text(encoding="utf-8"))
    store = Store(path, 10**8, 0)
    assert store.keep([entry(1)])
    store.close()
    assert store.note == ""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (file.VERSION,)
        found = connection.execute("SELECT time, monotonic, boot FROM audit ORDER BY id").fetchall()
    assert found == [(1.5, None, None), (3.0, None, None), (1000000001.0, 1, 1)]
    assert audit.verify(path) == []
