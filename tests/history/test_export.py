"""What the agent kept, as CSV and as Parquet, by the command that people type."""

import asyncio
import csv
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edge_agent.cli import main
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import Historian
from edge_agent.history.audit import Entry
from edge_agent.history.flight import FlightRecorder
from edge_agent.moment import boot_id

pytestmark = pytest.mark.sockets
INPUTS = Columns(
    np.array([1.5e-9, np.nan]), np.array([2, 0], np.uint8), np.array([0, 1], np.uint8), np.zeros(2, np.int64)
)
VERDICT = Verdict(
    state=State.ADVISORY,
    reason=Reason.NONE,
    score=0.1 + 0.2,
    alarm=True,
    changed=True,
    readings=(Reading(output="wear", score=0.1 + 0.2, value=1.0, alarm=True, changed=True),),
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose agent has lived for a while."""
    state = tmp_path / "state"
    state.mkdir()
    history = Historian(state, flight=FlightRecorder(state, 10**7, 1e6, 0))
    history.open()
    assert history.flight is not None
    slow = history.flight.track({"d.slow": 1}, [["n"]], 1.0, "c")
    fast = history.flight.track({"d.fast": 0, "d.slow": 1}, [["m"]], 0.1, "c")
    for tick in range(5):
        history.result("m", tick, INPUTS, VERDICT, tick)
        fast.cycle(tick, tick, time.time_ns(), INPUTS)
    slow.cycle(0, 0, time.time_ns(), INPUTS)
    history.event("m", "state", "ADVISORY, NONE")

    async def say() -> None:
        await history.alarm("m", VERDICT)
        entry = Entry(machine="m", output="o", old=0.0, new=1.0, why="alarm", model="a", config="c")
        assert await history.audit(entry)

    asyncio.run(say())
    history.close()
    path = tmp_path / "c.toml"
    path.write_text('[agent]\nstate = "state"\n', encoding="utf-8")
    return path


def export(config: Path, what: str, name: str, *more: str) -> Result:
    command = ["history", "export", str(config), what, "-o", str(config.parent / name), *more]
    return CliRunner().invoke(main, command)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_results_say_when_in_which_boot_and_how_much(config: Path, tmp_path: Path) -> None:
    told = export(config, "results", "r.csv")
    assert (told.exit_code, told.output) == (0, f"{tmp_path / 'r.csv'}: 5 rows\n")
    found = rows(tmp_path / "r.csv")
    assert [row["sequence"] for row in found] == list("01234")
    assert [row["monotonic"] for row in found] == list("01234")
    assert {row["boot"] for row in found} == {boot_id()}
    assert float(found[0]["score"]) == 0.1 + 0.2
    assert found[0]["inputs"] == "[1.5e-09, null]"
    at = datetime.fromisoformat(found[0]["time"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 300
    assert found[0]["synchronised"] in ("0", "1")


@pytest.mark.parametrize(("what", "count"), [("alarms", 1), ("events", 1), ("audit", 1)])
def test_the_other_tables(what: str, count: int, config: Path, tmp_path: Path) -> None:
    assert export(config, what, "x.csv").exit_code == 0
    assert len(rows(tmp_path / "x.csv")) == count


def test_the_recording_has_a_column_a_tag_and_nothing_where_bad(config: Path, tmp_path: Path) -> None:
    assert export(config, "flight", "f.csv", "--quality").exit_code == 0
    found = rows(tmp_path / "f.csv")
    assert len(found) == 5, "of the shortest scan"
    assert list(found[0]) == ["time", "d.fast", "d.slow", "d.fast.quality", "d.slow.quality"]
    assert [found[0][name] for name in list(found[0])[1:]] == ["1.5e-09", "", "GOOD", "BAD"]
    assert export(config, "flight", "slow.csv", "--period", "1").exit_code == 0
    assert [list(row) for row in rows(tmp_path / "slow.csv")] == [["time", "d.slow"]]


def test_since_and_until_cut_it(config: Path, tmp_path: Path) -> None:
    for name, more in (("a.csv", ["--until", "1h"]), ("b.csv", ["--since", "2099-01-01"])):
        assert export(config, "results", name, *more).output.endswith(": 0 rows\n")
        assert export(config, "flight", f"f{name}", *more).output.endswith(": 0 rows\n")
    assert export(config, "results", "c.csv", "--since", "1h", "--until", "2099-01-01T00:00").exit_code == 0
    assert len(rows(tmp_path / "c.csv")) == 5


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("1500ms", 1.5),
        ("90s", 90),
        ("30m", 1800),
        ("30min", 1800),
        ("0.5 h", 1800),
        (" 2h ", 7200),
        ("7d", 604_800),
    ],
)
def test_how_long_ago_is_said_in_the_units_of_the_configuration(
    text: str, ago: float, config: Path, tmp_path: Path
) -> None:
    """A row just inside and one just outside."""
    with closing(sqlite3.connect(config.parent / "state" / "history.db")) as history:
        now = time.time()
        history.execute("UPDATE result SET time = ? - id", (now - ago - 60,))
        history.execute("UPDATE result SET time = ? WHERE sequence = 4", (now - ago + 60,))
        history.commit()
    assert export(config, "results", "x.csv", "--since", text).output.endswith("x.csv: 1 rows\n")


@pytest.mark.parametrize(
    "text", ["30", "2 weeks", "-2h", "m", "", "2h ago", "2026-13-01", "2026-11-1", "1e3s"]
)
def test_a_time_that_is_none_is_told_with_what_would_be_one(text: str, config: Path, tmp_path: Path) -> None:
    told = export(config, "results", "x.csv", f"--since={text}")
    assert told.exit_code == 2
    assert f"{text!r} is no time: write it as 2026-11-23" in told.output
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("what", ["results", "alarms", "flight"])
def test_parquet_holds_the_same_numbers(what: str, config: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for suffix in ("csv", "parquet"):
        assert export(config, what, f"x.{suffix}").exit_code == 0
    table = pq.read_table(tmp_path / "x.parquet")
    expected = rows(tmp_path / "x.csv")
    assert table.num_rows == len(expected) > 0
    assert table.column_names == list(expected[0])
    for name in table.column_names:
        for value, text in zip(table.column(name).to_pylist(), [row[name] for row in expected], strict=True):
            if name == "time":
                assert value == datetime.fromisoformat(text)
            elif isinstance(value, float):
                assert value == float(text)
            else:
                assert ("" if value is None else str(value)) == text


def test_without_pyarrow_it_says_what_to_install(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = export(config, "results", "x.parquet")
    assert told.exit_code == 1
    assert "install the package edge-agent-parquet, or edge-agent[parquet] by pip; or name" in told.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.toml", "state"], "nothing half-written"


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("there.csv", (), "exists already"),
        ("x.txt", (), "name it .csv or .parquet"),
        ("x.csv", ("--period", "0.5"), "no scan every 0.5 s was recorded; there are: 0.1, 1"),
        ("x.csv", ("--since", "yesterday"), "2026-11-23T06:30"),
        ("x.csv", ("--since", "1h", "--until", "2h"), "--since is after --until"),
        ("no/x.csv", (), "No such file or directory"),
    ],
)
def test_what_cannot_be_is_said(
    name: str, more: tuple[str, ...], text: str, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    told = export(config, "flight", name, *more)
    assert told.exit_code != 0
    assert text in told.output
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_without_a_history_it_says_so(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[agent]\nstate = "state"\n', encoding="utf-8")
    (tmp_path / "state").mkdir()
    assert "nothing was recorded" in export(config, "flight", "x.csv").output
    told = export(config, "results", "x.csv")
    assert told.exit_code == 1
    assert "is there a history" in told.output
    assert not (tmp_path / "state" / "history.db").exists()
