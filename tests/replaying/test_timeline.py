"""Rows of a file as the scan would have seen them: ticks, ages, holes, quality."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from edge_agent.core.tags import Quality, Reason, Tag
from edge_agent.replaying.moment import Moment
from edge_agent.replaying.recording import Recording, RecordingError, load, time_column
from edge_agent.replaying.timeline import CHUNK, HOLE, Timeline

S = 1_000_000_000
TAGS = [
    Tag(name="d.a", address=0, scale=10.0, offset=5.0, low=0.0, high=100.0),
    Tag(name="d.b", address=1),
    Tag(name="d.c", address=2),
]
AGES = np.full(3, int(2.5 * S), np.int64)


def moments(at: list[float] | None, rows: list[list[float]], period: float = 1.0) -> list[Moment]:
    times = None if at is None else np.array([round(t * S) for t in at], np.int64)
    timeline = Timeline(Recording(["d.b", "d.a"], times, np.array(rows)), TAGS, AGES, period)
    return [moment for chunk in timeline.chunks() for moment in chunk]


def test_values_are_in_engineering_units_already_and_are_graded() -> None:
    (first, second) = moments(None, [[1.0, 50.0], [np.nan, 101.0]])
    assert first.image.value[:2].tolist() == [50.0, 1.0]
    assert first.image.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.BAD]
    assert first.image.reason[2] == Reason.NEVER_READ
    assert second.image.quality.tolist() == [Quality.UNCERTAIN, Quality.BAD, Quality.BAD]
    assert second.image.reason.tolist() == [Reason.OUT_OF_RANGE, Reason.NO_VALUE, Reason.NEVER_READ]


def test_a_row_belongs_to_the_nearest_tick_and_the_later_of_two_wins() -> None:
    found = moments([100.0, 101.4, 101.45, 102.6], [[1, 0], [2, 0], [3, 0], [4, 0]])
    assert [m.tick for m in found] == [0, 1, 2, 3]
    assert [m.image.value[1] for m in found] == [1, 3, 3, 4]
    assert [m.image.at[1] // S for m in found] == [0, 1, 1, 3]
    assert found[3].wall == 103 * S
    assert found[3].now == 3 * S


def test_what_is_older_than_its_tag_may_be_is_stale_and_the_far_end_of_a_hole_is_left_out() -> None:
    found = moments([0.0, 1000.0], [[1, 0], [2, 0]])
    assert [m.tick for m in found] == [*range(HOLE + 1), 1000]
    assert [bool(m.image.quality[1]) for m in found] == [True] * 3 + [False] * (HOLE - 2) + [True]
    assert {int(m.image.reason[1]) for m in found[3:-1]} == {Reason.STALE}


@given(st.lists(st.integers(0, 200), min_size=1, max_size=30), st.sampled_from([0.1, 1.0, 3.0]))
def test_ticks_only_grow_and_no_row_is_used_before_its_time(steps: list[int], period: float) -> None:
    at = np.cumsum(steps) * 0.25
    found = moments(at.tolist(), [[float(row), 1.0] for row in range(len(at))], period)
    ticks = [m.tick for m in found]
    assert all(a < b for a, b in itertools.pairwise(ticks))
    for moment in found:
        assert ((moment.image.quality == Quality.BAD) == np.isnan(moment.image.value)).all()
        assert (moment.image.at <= moment.now).all()
        if moment.image.quality[1]:
            row = int(moment.image.value[1])
            assert at[row] - at[0] <= moment.tick * period + period / 2 + 1e-9
    last = found[-1].image
    assert last.value[1] == len(at) - 1


def test_an_image_is_frozen_and_long_recordings_come_in_pieces() -> None:
    timeline = Timeline(Recording(["d.a"], None, np.ones((2 * CHUNK + 3, 1))), TAGS, AGES, 1.0)
    chunks = list(timeline.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 3]
    with pytest.raises(ValueError, match="read-only"):
        chunks[0][0].image.value[0] = 1.0


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "r.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-23T08:15:00Z",
        "2026-11-23 08:15:00",
        "2026-11-23T09:15:00+01:00",
        "1795421700",
        "1795421700000",
    ],
)
def test_times_of_all_kinds(tmp_path: Path, cell: str) -> None:
    path = csv_file(tmp_path, f"Timestamp,x\n{cell},1.5\n")
    recorded = load(path, {"d.x": "x"}, time_column(path, ["Timestamp", "x"]))
    assert recorded.at is not None
    assert recorded.at[0] == int(datetime(2026, 11, 23, 8, 15, tzinfo=UTC).timestamp()) * S
    assert recorded.value.tolist() == [[1.5]]


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "time;x;y\n2026-11-23;1,5;\n\n2026-11-24; ;2\n")
    recorded = load(path, {"d.y": "y", "d.x": "x"}, "time")
    assert recorded.names == ["d.y", "d.x"]
    np.testing.assert_array_equal(recorded.value, [[np.nan, 1.5], [2.0, np.nan]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("time,x\n", "no rows"),
        ("time,x\n2026-11-23,one\n", "line 2: 'one' is not a number"),
        ("time,x\nyesterday,1\n", "line 2: 'yesterday' is not a time"),
        ("time,x\n2026-11-23\n", "line 2: 1 cells, the header has 2"),
        ("time,x\n2026-11-23,1\n2026-11-22,1\n", "goes backwards at data row 2"),
        ("time,z\n2026-11-23,1\n", "no column 'x'; did you mean 'z'?|no column 'x'; known: time, z"),
    ],
)
def test_a_file_that_cannot_be_played_says_where_and_why(tmp_path: Path, text: str, told: str) -> None:
    path = csv_file(tmp_path, text)
    with pytest.raises(RecordingError, match=rf"r\.csv: .*({told})"):
        load(path, {"d.x": "x"}, "time")


def test_a_file_without_a_time_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"--time.*--rows-are-ticks"):
        time_column(csv_file(tmp_path, ""), ["x", "y"])
    with pytest.raises(RecordingError, match="No such file"):
        load(tmp_path / "absent.csv", {}, None)
