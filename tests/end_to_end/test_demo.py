"""The demo as a new user runs it: installed from the wheel, without TensorFlow, in a folder of its own."""

import re
import sqlite3
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from environments import Environment
from environments import gateway as make_gateway

from edge_agent import bundle

SECONDS = 40
FAULT_AT = 15.0
"""The demo's own rule: healthy for 15 s at least."""

pytestmark = pytest.mark.timeout(240)


class Demo(NamedTuple):
    gateway: Environment
    folder: Path
    done: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    gateway = make_gateway(tmp_path_factory.mktemp("gateway"))
    folder = gateway.elsewhere / "demo-run"
    done = gateway.run("edge-agent", "demo", "--seconds", SECONDS, "--folder", folder, timeout=150)
    return Demo(gateway, folder, done)


def rows(folder: Path, query: str) -> list[tuple]:
    with sqlite3.connect(folder / "state" / "history.db") as history:
        return history.execute(query).fetchall()


def test_the_demo_tells_right_where_there_is_no_tensorflow(demo):
    assert demo.done.returncode == 0, demo.done.stdout + demo.done.stderr
    said = demo.done.stdout
    assert "told right" in said
    assert "not told right" not in said
    assert re.search(r"alarms before the fault +0 ", said)
    delay = float(re.search(r"from fault to alarm +([0-9.]+) s", said)[1])
    assert 1 < delay < SECONDS - FAULT_AT
    assert demo.gateway.run("python", "-c", "import tensorflow").returncode == 1


def test_history_holds_one_alarm_that_began_after_the_fault(demo):
    assert [active for (active,) in rows(demo.folder, "SELECT active FROM alarm")] == [1]
    ((after,),) = rows(
        demo.folder,
        "SELECT (SELECT time FROM alarm) - (SELECT min(time) FROM result WHERE state = 'ADVISORY')",
    )
    assert FAULT_AT < after < SECONDS
    ((results, sequences, healthy),) = rows(
        demo.folder,
        "SELECT count(*), count(DISTINCT sequence), sum(score < 0.5) FROM result WHERE state = 'ADVISORY'",
    )
    assert results == sequences
    assert 8 * SECONDS < results < 12 * SECONDS
    assert healthy > 10 * FAULT_AT * 0.8


def test_the_folder_can_be_checked_and_its_bundle_verifies(demo):
    checked = demo.gateway.run("edge-agent", "check", demo.folder / "config.toml")
    assert checked.stdout.splitlines()[-1] == "ok"
    assert bundle.read(demo.folder / "bearing.bundle").manifest.name == "bearing"


def contents(folder):
    """What every file holds, but for those that a reader of the database makes and takes away."""
    files = (
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".db-shm", ".db-wal")
    )
    return {path: path.read_bytes() for path in files}


def test_a_second_run_leaves_the_first_as_it_is(demo):
    before = contents(demo.folder)
    done = demo.gateway.run("edge-agent", "demo", "--seconds", 20, "--folder", demo.folder, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(demo.folder) == before
    assert len(rows(demo.folder.with_name("demo-run-2"), "SELECT * FROM alarm")) == 1
