"""A power cut at any moment: no row is lost that was promised, and the audit's chain is whole."""

import random
import sqlite3
from pathlib import Path

import pytest
from disk_images import Disk, record

from edge_agent.history.audit import verify
from edge_agent.history.flight import read_flight

WRITER = str(Path(__file__).with_name("keep_history.py"))
FLYER = str(Path(__file__).with_name("keep_flight.py"))
ROWS = 60

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(200)]


def found_after(files: dict[str, bytes], folder: Path) -> tuple[int, list[str]]:
    """Open what a cut left; return how many rows are there, and what is wrong."""
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)
    database = folder / "history.db"
    try:
        with sqlite3.connect(database) as connection:
            (said,) = connection.execute("PRAGMA integrity_check").fetchone()
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            count = connection.execute("SELECT count(*) FROM audit").fetchone()[0] if "audit" in tables else 0
        connection.close()
        wrong = [] if said == "ok" else [said]
        return count, wrong + (verify(database) if "audit" in tables else [])
    except sqlite3.DatabaseError as error:
        return 0, [str(error)]
    finally:
        connection.close()
        for path in folder.iterdir():
            path.unlink()


def cuts(tmp_path: Path, synchronous: str) -> tuple[int, int, int]:
    """Cut the power after every step; return images tried, those that lost rows, those that are broken."""
    live, after = tmp_path / "live", tmp_path / "after"
    live.mkdir()
    after.mkdir()
    steps = record([WRITER, str(live / "history.db"), synchronous, str(ROWS)], live)
    assert sum(step.kind == "promise" for step in steps) == ROWS
    dice, disk = random.Random(1), Disk()
    images = lost = broken = 0
    for step in steps:
        disk.take(step)
        for kind in ("nothing", "all", "some", "torn"):
            count, wrong = found_after(disk.after_a_cut(dice, kind), after)
            images += 1
            lost += count < disk.promised
            broken += bool(wrong)
    return images, lost, broken


def test_nothing_that_was_promised_is_lost_and_nothing_is_broken(tmp_path: Path) -> None:
    images, lost, broken = cuts(tmp_path, "FULL")
    print(f"{images} images, {lost} with lost rows, {broken} broken")
    assert images > 1000
    assert (lost, broken) == (0, 0)


def test_without_syncs_it_would_show(tmp_path: Path) -> None:
    """The control: a store that does not sync fails this very test."""
    images, lost, broken = cuts(tmp_path, "OFF")
    print(f"{images} images, {lost} with lost rows, {broken} broken")
    assert lost > 0
    assert broken > 0


def test_a_recording_keeps_every_block_that_was_synced_and_reads_whatever_is_left(tmp_path: Path) -> None:
    live, after = tmp_path / "live", tmp_path / "after"
    live.mkdir()
    after.mkdir()
    steps = record([FLYER, str(live), "25"], live)
    dice, disk = random.Random(1), Disk()
    images = 0
    for step in steps:
        disk.take(step)
        for kind in ("nothing", "all", "some", "torn"):
            for path, content in disk.after_a_cut(dice, kind).items():
                (after / Path(path).name).write_bytes(content)
            ticks = [tick for block in read_flight(after) for tick in block.tick.tolist()]
            assert ticks == list(range(10, 10 + len(ticks))), "whole blocks, in order"
            assert len(ticks) >= 10 * disk.promised
            images += 1
            for path in after.iterdir():
                path.unlink()
    assert disk.promised == 25
    assert images > 200
