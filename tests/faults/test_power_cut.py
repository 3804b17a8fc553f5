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
ROWS = 30
KINDS = ("result", "alarm", "audit")

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(200)]


def found_after(files: dict[str, bytes], folder: Path) -> tuple[int, list[str]]:
    """Open what a cut left; return how many rows each kind has at least, and what is wrong."""
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)
    database = folder / "history.db"
    try:
        with sqlite3.connect(database) as connection:
            (said,) = connection.execute("PRAGMA integrity_check").fetchone()
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            counted = [
                connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for name in KINDS
                if name in tables
            ]
        connection.close()
        wrong = [] if said == "ok" else [said]
        return min(counted, default=0), wrong + (verify(database) if "audit" in tables else [])
    except sqlite3.DatabaseError as error:
        return 0, [str(error)]
    finally:
        connection.close()
        for path in folder.iterdir():
            path.unlink()


def cuts(tmp_path: Path, after: Path, synchronous: str) -> tuple[int, int, int]:
    """Cut the power after every step of the historian; return images tried, with rows lost, and broken."""
    live = tmp_path / "live"
    live.mkdir()
    steps = record([WRITER, str(live), synchronous, str(ROWS)], live)
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


def test_nothing_that_was_promised_is_lost_and_nothing_is_broken(tmp_path: Path, after: Path) -> None:
    images, lost, broken = cuts(tmp_path, after, "as it is")
    print(f"{images} images, {lost} with lost rows, {broken} broken")
    assert images > 1000
    assert (lost, broken) == (0, 0)


def test_without_syncs_it_would_show(tmp_path: Path, after: Path) -> None:
    """The control: a store that does not sync fails this very test."""
    images, lost, broken = cuts(tmp_path, after, "OFF")
    print(f"{images} images, {lost} with lost rows, {broken} broken")
    assert lost > 0
    assert broken > 0


def test_a_recording_keeps_every_block_that_was_synced_and_reads_whatever_is_left(
    tmp_path: Path, after: Path
) -> None:
    live = tmp_path / "live"
    live.mkdir()
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
