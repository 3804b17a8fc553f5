"""Power cuts: a machine with the agent on a disk with ext4 is killed, again and again, and looked at.

    make powercut CUTS=5

Ends with 1 if something is gone that was promised, or does not open any more.
"""

import argparse
import contextlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "service"))

from machine import Machine, build
from packages import package

from edge_agent import bundle
from edge_agent.bundle import BundleError
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.history.audit import verify
from edge_agent.history.flight import read_flight

ENOUGH = 100
"""Rows that are promised before a cut."""
LONGEST = 400.0
"""Seconds that a machine may take for them: without KVM it is some thirty times slower than this one."""
ROWS = " union all ".join(
    f"select count(*) from {table} where boot = (select max(id) from boot)"
    for table in ("result", "event", "alarm")
)


def main() -> None:
    """Cut, look, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-syncs", action="store_true", help="the control: the store syncs nothing")
    options = parser.parse_args()
    dice, wrong = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory(prefix="powercut-") as name:
        folder = Path(name)
        build(folder, package(folder / "package"))
        for number in range(1, options.cuts + 1):
            rows, active = cut(folder, dice, ["without-syncs"] if options.without_syncs else [])
            found = look(folder, rows, active)
            print(f"cut {number}: {rows} rows and release {active} promised; {'; '.join(found) or 'well'}")
            wrong += bool(found)
    print(f"{options.cuts} cuts, {wrong} with something wrong")
    sys.exit(1 if wrong else 0)


def cut(folder: Path, dice: random.Random, words: list[str]) -> tuple[int, int]:
    """Let the machine run, and cut its power; return the rows and the release that it had promised."""
    with Machine(folder, *words) as machine:
        until(lambda: machine.promised("results") >= ENOUGH or not machine.alive)
        time.sleep(dice.uniform(0, 5))
        if not machine.alive:
            sys.exit("\n".join(["the machine ended by itself:", *machine.said[-30:]]))
    return machine.promised("results"), machine.promised("active")


def until(condition: Callable[[], bool]) -> None:
    """Wait, but not for ever."""
    deadline = time.monotonic() + LONGEST
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


def look(folder: Path, rows: int, active: int) -> list[str]:
    """Open what a cut left, as the agent would after the file system's own repair; return what is wrong."""
    disk, state = folder / "state.img", folder / "state"
    done = subprocess.run(["e2fsck", "-fy", disk], check=False, capture_output=True, text=True)
    if done.returncode > 1:  # 1: what a cut leaves was put right
        return [f"e2fsck: {done.returncode}: {done.stdout}"]
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {state}", disk], check=True, capture_output=True)
    for _ in read_flight(state / "flight") if (state / "flight").exists() else ():
        pass  # whatever is left has to be readable; what was promised of it is for the syscalls' cuts to say
    return [*_history(state, rows), *_store(state, active)]


def _history(state: Path, promised: int) -> list[str]:
    path = state / "history.db"
    try:
        with contextlib.closing(sqlite3.connect(path)) as history:
            (said,) = history.execute("pragma integrity_check").fetchone()
            kept = sum(count for (count,) in history.execute(ROWS))
    except sqlite3.DatabaseError as error:
        return [f"history: {error}"]
    wrong = [] if said == "ok" else [f"history: {said}"]
    if kept < promised:
        wrong.append(f"history: {promised - kept} rows are gone")
    return wrong + verify(path)


def _store(state: Path, promised: int) -> list[str]:
    store = Store(state, "pump")
    try:
        active = store.read().active
        bundle.read(store.folder / active)
    except (StoreError, BundleError) as error:
        return [f"store: {error}"]
    return [] if sequence_of(active) >= promised else [f"store: {sequence_of(active)} is active"]


if __name__ == "__main__":
    main()
