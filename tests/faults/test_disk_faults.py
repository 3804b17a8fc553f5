"""A disk that fails: what was promised stays, alarms come after, the loop never waits."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge_agent.history.audit import verify
from edge_agent.history.flight import read_flight

PRIVATE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]
"""Before a command that mounts something for itself alone."""
LIVE = str(Path(__file__).with_name("live_with_disk.py"))

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]


class Life(NamedTuple):
    """What the program said of its life, what it logged, and the folder that it left."""

    said: dict[str, Any]
    log: list[str]
    state: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.state / "history.db")) as connection:
            return connection.execute(query).fetchall()

    def told(self, word: str) -> list[str]:
        return [line for line in self.log if word in line]


def live(state: Path, *faults: str, seconds: float = 4.0) -> Life:
    inject = [part for fault in faults for part in ("-e", f"inject={fault}")]
    calls = sorted({fault.split(":")[0] for fault in faults} | {"fdatasync"})
    strace = ["strace", "-f", "-qq", "-o", str(state / "calls"), "-e", f"trace={','.join(calls)}", *inject]
    command = [*strace, sys.executable, LIVE, str(state), str(seconds)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    return Life(json.loads(ended.stdout), ended.stderr.splitlines(), state)


def nothing_promised_is_lost(life: Life) -> None:
    kept = [json.loads(entry)["new"] for (entry,) in life.rows("SELECT entry FROM audit")]
    assert set(life.said["promised"]) <= set(kept)
    assert life.said["promised"], "something was promised"
    assert life.rows("PRAGMA integrity_check") == [("ok",)]
    assert verify(life.state / "history.db") == []


def every_alarm_is_there_once(life: Life) -> None:
    assert life.rows("SELECT count(*), count(DISTINCT monotonic) FROM alarm") == [(life.said["alarms"],) * 2]


FAULTS = {
    "an I/O error at a sync": ["fdatasync:error=EIO:when=20..60"],
    "no space": ["pwrite64:error=ENOSPC:when=60..200"],
    "remounted read-only": ["pwrite64:error=EROFS:when=60..200", "fdatasync:error=EROFS:when=20..60"],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_fault_that_passes_all_alarms_are_there(fault: str, tmp_path: Path) -> None:
    life = live(tmp_path, *FAULTS[fault])
    assert life.said["troubles"], "the fault was met"
    nothing_promised_is_lost(life)
    every_alarm_is_there_once(life)
    assert life.said["lost"] > 0
    broke, again = life.told("inference goes on, history is lost"), life.told("historian: writes again")
    assert len(broke) == len(again) > 0, "one line down, one up"
    assert life.rows("SELECT DISTINCT subject, kind FROM event") == [("history", "lost")]
    assert list(read_flight(life.state / "flight")), "the recording goes on, too"


def test_a_disk_that_never_syncs_costs_history_and_nothing_else(tmp_path: Path) -> None:
    life = live(tmp_path, "fdatasync:error=EIO:when=20+")
    assert life.said["ticks"] > 100
    assert life.said["lost"] > 50
    nothing_promised_is_lost(life)
    assert len(life.told("inference goes on, history is lost")) == 1


def test_slow_syncs_hold_up_nobody(tmp_path: Path) -> None:
    life = live(tmp_path, "fdatasync:delay_enter=700000:when=10+", seconds=5)
    assert life.said["lost"] == 0
    syncing = {int(line.split()[0]) for line in (life.state / "calls").read_text().splitlines()}
    assert len(syncing) == 2, "history and recording each have their thread"
    assert life.said["thread"] not in syncing
    nothing_promised_is_lost(life)
    every_alarm_is_there_once(life)
    rows = [json.loads(entry) for (entry,) in life.rows("SELECT entry FROM audit ORDER BY id")]
    late = {row["new"] for row in rows} - set(life.said["promised"]) - {rows[-1]["new"]}
    assert late == {row["new"] for row in rows if "not sent" in row["what_came"]} - {rows[-1]["new"]}


def test_without_inodes_history_is_lost_and_the_loop_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o nr_inodes=1 tmpfs "$1" && exec "$0" "$2" "$1" 2'
    command = [*PRIVATE, "sh", "-c", script, sys.executable, str(disk), LIVE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    life = Life(json.loads(ended.stdout), ended.stderr.splitlines(), disk)
    assert life.said["ticks"] > 50
    assert life.said["promised"] == []
    assert life.said["lost"] > 0
    assert len(life.told("unable to open database file; inference goes on, history is lost")) == 1


def test_on_a_disk_that_others_fill_the_recording_gives_way_and_alarms_stay(tmp_path: Path) -> None:
    """A disk of 12 MB: first both rings turn, then somebody takes what is left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=12m tmpfs "$1" && exec "$0" "$2" "$1" "$3"'
    program = str(Path(__file__).with_name("live_on_small_disk.py"))
    command = [*PRIVATE, "sh", "-c", script, sys.executable, str(disk), program, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    life = Life(json.loads(ended.stdout), ended.stderr.splitlines(), tmp_path)
    before, after = life.said["kept_before"], life.said["kept_after"]
    assert 0 < before["history"] <= 5e6
    assert 0 < before["flight"] <= 3e6
    assert life.said["lost_before"] == 0
    assert after["flight"] < before["flight"], "the recording gave way"
    assert after["history"] <= 5e6, "the results turn where they are"
    assert life.rows("SELECT count(*) FROM alarm") == [(300,)]
    assert life.rows("PRAGMA integrity_check") == [("ok",)]
    assert life.rows("SELECT max(sequence) FROM result") == [(299,)]
    assert life.said["lost"] == 0
