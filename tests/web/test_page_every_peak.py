"""However long the range and however short the peak, it is in the answer: of scores, and of inputs."""

import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from page_rig import chromium
from playwright.async_api import expect
from recorded import record
from stage import VALUES, all_well, staged

from edge_agent.historian import FILE
from edge_agent.web.past import History, Past
from edge_agent.web.points import Question

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]
WEEK, HOUR = 7 * 86_400, 3600
START = (time.time() - WEEK) // HOUR * HOUR
EXCURSION = 30
"""Seconds at 0.95."""
FLOW = list(VALUES).index("flow")
SPIKE = 3
"""Results at 100 ms."""


def question(since: float, until: float, points: int = 600) -> Question:
    return Question(
        machine="pump",
        inputs=list(VALUES),
        outputs=["bearing_wear"],
        since=START + since,
        until=START + until,
        points=points,
    )


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of results every two seconds; for half a minute the score was 0.95, elsewhere the flow 99."""
    path = tmp_path_factory.mktemp("week") / "history.db"
    at, rng = np.arange(0.0, WEEK, 2), np.random.default_rng(1)
    score = 0.05 + 0.05 * rng.random(len(at))
    score[(at >= 200_000) & (at < 200_000 + EXCURSION)] = 0.95
    inputs = np.array(list(VALUES.values())) + rng.random((len(at), 1)).round(3)
    inputs[at == 400_000, FLOW] = 99.0
    record(path, "pump", START + at, score.round(5), inputs)
    return path


def peaks(found: Past, key: str, over: float) -> list[float]:
    return [
        at - START
        for at, high in zip(found.at, found.high[key], strict=True)
        if high is not None and high > over
    ]


async def test_half_a_minute_in_a_week(week: Path) -> None:
    found = await History(week).past(question(0, WEEK))
    assert (found.resolution, found.behind) == (60, False)
    assert 590 <= len(found.at) <= 600
    width = WEEK / 600
    for key, over, when in (("score bearing_wear", 0.9, 200_000), ("input flow", 90, 400_000)):
        (peak,) = peaks(found, key, over)
        assert when - width <= peak <= when + width
    assert max(v for v in found.high["score bearing_wear"] if v) == 0.95
    assert 4.03 <= min(v for v in found.low["input pressure"] if v) < 4.04


async def test_closer_it_is_the_rows_themselves(week: Path) -> None:
    found = await History(week).past(question(199_900, 200_200, 300))
    assert found.resolution == 0
    assert sum(v == 0.95 for v in found.columns["score bearing_wear"] if v) == EXCURSION / 2


@pytest.fixture
def copy(week: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(week, tmp_path / "history.db"))


async def test_when_the_rows_are_gone_the_peak_is_not(copy: Path) -> None:
    """After a year, say: the ring of results has turned, that of the aggregates has not."""
    with closing(sqlite3.connect(copy)) as later, later:
        later.execute("DELETE FROM result WHERE id < 300000")
    found = await History(copy).past(question(0, WEEK))
    assert len(peaks(found, "score bearing_wear", 0.9)) == 1
    assert found.at[-1] > START + WEEK - WEEK / 600, "up to the rows that are there"
    closer = await History(copy).past(question(199_000, 202_600))
    assert closer.resolution == 60
    assert 55 <= len(closer.at) <= 62
    assert len(peaks(closer, "score bearing_wear", 0.9)) == 1
    with closing(sqlite3.connect(copy)) as later, later:
        later.execute("DELETE FROM minute")
    years = await History(copy).past(question(-300 * 86_400, WEEK))
    assert (years.resolution, len(peaks(years, "score bearing_wear", 0.9))) == (HOUR, 1)


async def test_the_page_shows_it_and_says_what_a_point_is(week: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    shutil.copy(week, tmp_path / "state" / FILE)
    async with staged(tmp_path, all_well, ["pump"]) as stage, chromium(stage.port) as page:
        await page.get_by_role("button", name="1 week").click()
        await expect(page.locator("#range")).to_contain_text("each point is a minute or more", timeout=40_000)
        for key, most in (("score bearing_wear", "to 0.95$"), ("input flow", "to 99;")):
            chart = page.locator(f"#trends figure[data-key='{key}'] .plot")
            await expect(chart).to_have_attribute("aria-label", re.compile(most))


async def test_three_tenths_of_a_second_in_an_hour(tmp_path: Path) -> None:
    path, count = tmp_path / "history.db", 10 * HOUR
    inputs = np.tile(list(VALUES.values()), (count, 1))
    inputs[20_003 : 20_003 + SPIKE, FLOW] = 61.7
    record(path, "pump", START + np.arange(count) / 10, np.full(count, 0.1), inputs)
    found = await History(path).past(question(0, HOUR))
    assert (len(found.at), found.resolution) == (600, 0)
    assert found.high["input flow"].count(61.7) == 1
    assert found.columns["input flow"].count(61.7) == 0, "it is not the last of its part"
    assert "input pressure" not in found.high


async def test_four_hours_at_that_pace_are_read_from_the_minutes(tmp_path: Path) -> None:
    """What a page may ask costs what its points cost, not what the rows would."""
    path = tmp_path / "history.db"
    count = 4 * HOUR * 10
    inputs = np.tile(list(VALUES.values()), (count, 1))
    inputs[100_003 : 100_003 + SPIKE, FLOW] = 61.7
    record(path, "pump", START + np.arange(count) / 10, np.full(count, 0.1), inputs)
    found = await History(path).past(question(0, 4 * HOUR))
    assert (found.resolution, found.behind) == (60, False)
    assert found.high["input flow"].count(61.7) == 1
