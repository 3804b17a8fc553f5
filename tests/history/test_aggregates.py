"""Aggregates by minute and hour: what the rows say, whatever happens, and never more than their share."""

import itertools
import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import record, result

from edge_agent.history import aggregator, audit, file
from edge_agent.history.store import Store

pytestmark = pytest.mark.sockets
START = 1_699_999_200
"""The beginning of an hour, of a block, and of a minute."""
SPANS = {"minute": 60, "hour": 3600}
Cycle = tuple[float, str, float, float]
"""Time, machine, score, and its one input."""


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text).fetchall()


def of_rows(path: Path, span: int, upto: int) -> dict[tuple[str, int], list[list[float | None]]]:
    """The aggregates as SQL makes them of the rows: of the score, and of the input."""
    found: dict[tuple[str, int], list[list[float | None]]] = {}
    rows = query(path, f"SELECT time, machine, score, inputs FROM result WHERE id <= {upto} ORDER BY id")
    for at, machine, score, inputs in rows:
        part = found.setdefault((machine, int(at // span) * span), [[None] * 3, [None] * 3])
        for columns, value in zip(part, (score, *json.loads(inputs)), strict=True):
            if value is not None:
                columns[0] = value if columns[0] is None else min(columns[0], value)
                columns[1] = value if columns[1] is None else max(columns[1], value)
            columns[2] = value
    return found


def of_table(path: Path, table: str) -> dict[tuple[str, int], list[list[float | None]]]:
    return {
        (machine, at): [json.loads(scores).get("wear"), [row[0] for row in json.loads(inputs)]]
        for machine, at, scores, inputs in query(path, f"SELECT machine, time, scores, inputs FROM {table}")
    }


def all_agree(path: Path) -> int:
    """Hold the tables against the rows that they are made of; return up to which row."""
    ((upto,),) = query(path, "SELECT upto FROM aggregated")
    for table, span in SPANS.items():
        assert of_table(path, table) == of_rows(path, span, upto), table
    return int(upto)


@pytest.fixture(scope="module", autouse=True)
def at_once() -> Iterator[None]:
    """However few rows there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregator, "FEW", 1)
        yield


NUMBERS = st.one_of(st.just(math.nan), st.integers(-999, 999).map(float))
CYCLES = st.lists(
    st.tuples(st.sampled_from([0.5, 7.0, 59.5, 700.0, 4e3, -900.0]), st.sampled_from("ab"), NUMBERS, NUMBERS),
    min_size=1, max_size=60,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(cycles=CYCLES, commits=st.lists(st.integers(1, 9), min_size=1), cuts=st.sets(st.integers(0, 30)))
def test_they_are_those_of_the_rows_whatever_the_clock_and_the_power_do(
    cycles: list[Cycle], commits: list[int], cuts: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Steps of the clock back and forth; at each cut the history's process ends without a word."""
    path = tmp_path_factory.mktemp("kept") / "history.db"
    walls = itertools.accumulate((step for step, *_ in cycles), initial=START + 0.0)
    rows = [
        result(at, m, {"wear": s}, np.array([v])) for at, (_, m, s, v) in zip(walls, cycles, strict=False)
    ]
    store = Store(path, file.LARGEST, 0)
    for turn, count in enumerate(itertools.cycle(commits)):
        some, rows = rows[:count], rows[count:]
        if not some:
            break
        assert store.keep(some)
        store.tend()
        if turn in cuts:
            store = Store(path, file.LARGEST, 0)
    assert store.keep([result(START + 10**7, "c", {"wear": 1.0}, np.ones(1))])
    store.tend()
    assert all_agree(path) == len(cycles)


def test_a_file_of_the_version_before_is_aggregated_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    at = START + np.arange(6000.0)
    record(path, "m", at, np.sin(at).round(4), np.cos(at).round(4)[:, None])
    with closing(sqlite3.connect(path)) as before:
        before.executescript(
            "DROP TABLE minute; DROP TABLE hour; DROP TABLE aggregated; DROP TABLE audit;"
            f"{audit.SCHEMA} PRAGMA user_version = 3;"
            "UPDATE result SET outputs = NULL WHERE id <= 3000;"
            "INSERT INTO result(time, machine) VALUES (1, 'm');"
        )
    store = Store(path, file.LARGEST, 0)
    for _ in range(5):
        assert store.keep([result(START + 10**5, "m", {"wear": 0.5}, np.ones(1))])
        store.tend()
    store.close()
    assert query(path, "PRAGMA user_version") == [(file.VERSION,)]
    ((count, first),) = query(path, "SELECT count(*), min(time) FROM minute WHERE time >= 1000")
    assert (count, first) == (100, START)
    ((scores,),) = query(path, f"SELECT scores FROM minute WHERE time = {START}")
    values = np.sin(at[:60]).round(4)
    assert json.loads(scores) == {"": [values.min(), values.max(), values[-1]]}


TURNS = 1500


def kept_long(path: Path, largest: int, machines: int) -> None:
    """Keep three results of each machine every ten minutes, many more than the file may hold."""
    store = Store(path, largest, 0)
    for first in range(0, TURNS, 20):
        times = [START + 600.0 * turn + second for turn in range(first, first + 20) for second in (0, 1, 2)]
        names = [f"m{number}" for number in range(machines)]
        assert store.keep(
            [result(at, name, {"wear": 0.5}, np.full(8, 1.5)) for at in times for name in names]
        )
        store.tend()
    store.close()


def test_they_outlive_the_rows_by_far_and_take_their_share(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    kept_long(path, 600 * file.PAGE, 20)
    assert path.stat().st_size <= 600 * file.PAGE
    ((rows_from, minutes_from, hours_from),) = query(
        path,
        "SELECT (SELECT min(time) FROM result), (SELECT min(time) FROM minute), (SELECT min(time) FROM hour)",
    )
    end = START + 600 * TURNS
    assert hours_from == START, "hours go last"
    assert end - minutes_from > 2 * (end - rows_from), "and minutes far later than rows"
    ((taken,),) = query(path, "SELECT sum(pgsize) FROM dbstat WHERE name IN ('minute', 'minute_of')")
    assert 0.1 < taken / path.stat().st_size < 0.4
    ((results,),) = query(path, "SELECT count(*) FROM result")
    assert results > 1000


def test_what_a_full_disk_kept_from_being_written_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    store = Store(path, file.LARGEST, 0)
    at = START + 0.5 * np.arange(4000.0)
    assert store.keep([result(t, "m", {"wear": t % 7}, np.array([t % 11])) for t in at.tolist()])
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")  # as a disk that takes nothing: every write fails
        store.tend()
        assert "locked" in store.trouble
    for _ in range(3):
        assert store.keep([result(START + 10**6, "m", {"wear": 1.0}, np.ones(1))])
        store.tend()
    assert store.trouble == ""
    store.close()
    assert all_agree(path) == 4000
