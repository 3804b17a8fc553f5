"""What the page asks of the history, against the rows themselves."""

import json
import sqlite3
from pathlib import Path

import pytest

from edge_agent.history import file
from edge_agent.web import past, points
from edge_agent.web.past import History, NoHistory, Past
from edge_agent.web.points import Question

pytestmark = pytest.mark.sockets
START, ROWS = 1_700_000_000.0, 400
PEAK = 123
"""A row of the pump with the one high score."""


def score(row: int) -> float | None:
    """No result in every fiftieth row."""
    return None if row % 50 == 7 else 0.95 if row == PEAK else row / 1000


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Results of two machines in turn, one row a second; the pump's have one more input from half on."""
    path = tmp_path / "history.db"
    connection, _ = file.connect(path)
    with connection:
        for row in range(ROWS):
            inputs = [float(row), 2.0] if row >= ROWS / 2 else [float(row)]
            outputs = (
                {"wear": {"score": score(row)}, "leak": {"score": 0.5}} if score(row) is not None else {}
            )
            connection.execute(
                "INSERT INTO result(time, machine, score, inputs, outputs) VALUES (?, ?, ?, ?, ?)",
                (
                    START + row,
                    "pump" if row % 2 else "fan",
                    score(row),
                    json.dumps(inputs),
                    json.dumps(outputs),
                ),
            )
    connection.close()
    return path


def question(since: float = 0, until: float = ROWS, points: int = 1000) -> Question:
    return Question(
        machine="pump",
        inputs=["flow", "head"],
        outputs=["wear", "leak"],
        since=START + since,
        until=START + until,
        points=points,
    )


async def test_with_room_for_every_row_every_row_is_there(kept: Path) -> None:
    found = await History(kept).past(question())
    rows = range(1, ROWS, 2)
    assert found.at == [START + row for row in rows]
    assert found.columns["score wear"] == [score(row) for row in rows]
    assert found.low == found.high == {}, "each point is one row"
    assert found.columns["score leak"] == [None if score(row) is None else 0.5 for row in rows]
    # Before the machine had its second input its rows say nothing of today's.
    assert found.columns["input flow"] == [float(row) if row >= ROWS / 2 else None for row in rows]
    assert (found.resolution, found.behind) == (0, False)


async def test_few_points_hide_no_peak(kept: Path) -> None:
    found = await History(kept).past(question(points=4))
    assert len(found.at) == 4
    parts = [[score(row) for row in range(first + 1, first + 100, 2)] for first in range(0, ROWS, 100)]
    known = [[value for value in part if value is not None] for part in parts]
    assert found.high["score wear"] == [max(part) for part in known]
    assert found.low["score wear"] == [min(part) for part in known]
    assert found.low["input flow"] == [None, None, 201.0, 301.0]
    assert found.high["input flow"] == [None, None, 299.0, 399.0]
    assert "score leak" not in found.low, "it was the same all the time"


async def test_a_range_is_that_range(kept: Path) -> None:
    found = await History(kept).past(question(since=100, until=110))
    assert found.at == [START + row for row in (101, 103, 105, 107, 109)]
    assert (await History(kept).past(question(since=-50, until=-10))).at == []
    assert (await History(kept).past(question(since=ROWS + 10, until=ROWS + 20))).at == []


async def test_what_is_not_aggregated_yet_is_left_out_and_told(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade, while the agent still goes through what is there."""
    monkeypatch.setattr(points, "EXACT", 40)
    found = await History(kept).past(question(points=10))
    assert found.behind
    assert found.at[0] >= START + ROWS - 40, "no point that would hide a peak"
    for at, value in zip(found.at, found.columns["score wear"], strict=True):
        assert value == score(round(at - START))


async def test_nobody_writes_through_it_and_what_is_missing_is_told(kept: Path, tmp_path: Path) -> None:
    with past._reading(kept) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM result")
    with pytest.raises(NoHistory, match="unable to open"):
        await History(tmp_path / "nowhere.db").past(question())


async def test_a_question_that_takes_too_long_is_given_up(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "DEADLINE", -1.0)
    monkeypatch.setattr(past, "_STEPS", 1)
    with pytest.raises(NoHistory, match="shorter range"):
        await History(kept).past(question())


async def test_an_empty_history_has_no_points(tmp_path: Path) -> None:
    file.connect(tmp_path / "empty.db")[0].close()
    found = await History(tmp_path / "empty.db").past(question())
    assert found == Past(
        at=[],
        columns={key: [] for key in found.columns},
        low={},
        high={},
        resolution=0,
        behind=False,
        spans=[],
        lasted={},
    )
    assert set(found.columns) == {"score wear", "score leak", "input flow", "input head"}
