"""In which condition a machine was over a time, and what the log of that time is."""

from pathlib import Path

import pytest

from edge_agent.core.alarm import AlarmState
from edge_agent.core.outputs import Reading
from edge_agent.history import file, rows
from edge_agent.history.rows import Clock, Row, When
from edge_agent.web.past import MOST, History
from edge_agent.web.points import Question
from edge_agent.web.spans import Span

pytestmark = pytest.mark.sockets
START = 1_699_999_200.0
RAISED, NORMAL = AlarmState.UNACKNOWLEDGED, AlarmState.NORMAL


def state(at: float, text: str, machine: str = "pump") -> Row:
    return rows.event(When(START + at, int(at * 1e9)), machine, "state", text)


def agent(at: float, text: str) -> Row:
    return rows.event(When(START + at, int(at * 1e9)), "hall-3", "agent", text)


def alarm(at: float, output: str, alarm: AlarmState, warning: AlarmState = NORMAL) -> Row:
    reading = Reading(
        output=output,
        score=0.5,
        alarm=alarm is RAISED,
        alarm_state=alarm,
        warning_state=warning,
        changed=True,
    )
    return rows.alarm(When(START + at, int(at * 1e9)), "pump", reading)


HISTORY = [
    agent(0, "started"),
    state(10, "ADVISORY, NONE"),
    state(20, "FALLBACK, NO_LINK, input flow"),
    state(25, "FAULT, MODEL_DOWN", machine="fan"),
    state(30, "ADVISORY, NONE"),
    alarm(40, "wear", NORMAL, RAISED),
    alarm(50, "wear", RAISED, RAISED),
    alarm(55, "leak", RAISED),
    alarm(60, "wear", NORMAL),
    alarm(70, "leak", NORMAL),
    alarm(80, "wear", RAISED),
    agent(90, "stopped"),
    agent(95, "started"),
    state(97, "ADVISORY, NONE"),
]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return write(tmp_path / "history.db", HISTORY)


def write(path: Path, some: list[Row]) -> Path:
    connection, _ = file.connect(path)
    with connection:
        for row in some:
            row.insert(connection, Clock(file.boot(connection, "a boot"), synchronised=True))
    connection.close()
    return path


async def spans(path: Path, since: float, until: float, points: int) -> list[tuple[str, float, float]]:
    question = Question(
        machine="pump", inputs=[], outputs=["wear"], since=START + since, until=START + until, points=points
    )
    found: list[Span] = (await History(path).past(question)).spans
    return [(span.how, span.since - START, span.until - START) for span in found]


async def test_every_condition_has_its_time(kept: Path) -> None:
    assert await spans(kept, 0, 100, 100) == [
        ("waiting", 0, 10),
        ("none", 20, 30),
        ("warning", 40, 50),
        ("alarm", 50, 70),
        ("alarm", 80, 90),
        ("off", 90, 95),
        ("waiting", 95, 97),
    ]


@pytest.mark.parametrize(
    ("since", "found"),
    [
        (5, ("waiting", 5, 10)),
        (22, ("none", 22, 30)),
        (45, ("warning", 45, 50)),
        (58, ("alarm", 58, 70)),
        (65, ("alarm", 65, 70)),
        (85, ("alarm", 85, 90)),
        (92, ("off", 92, 95)),
    ],
)
async def test_what_began_before_the_range_is_known(
    kept: Path, since: float, found: tuple[str, float, float]
) -> None:
    assert (await spans(kept, since, 100, round(100 - since)))[0] == found


async def test_an_alarm_ends_with_the_agent_and_nothing_is_said_of_the_future(kept: Path) -> None:
    assert await spans(kept, 98, 100, 2) == []
    ahead = write(kept, [state(98, "FALLBACK, NO_LINK")])
    (span,) = await spans(ahead, 90, 10**10, 1000)
    assert span[2] < 10**9


async def test_of_a_part_of_the_range_the_worst_counts(kept: Path) -> None:
    """Half a minute of alarm is not lost in four weeks."""
    assert await spans(kept, -14 * 86_400, 14 * 86_400, 560) == [("alarm", 0, 4320)]


async def test_how_long_it_lasted_is_told_to_the_second_however_wide_a_part_is(kept: Path) -> None:
    question = Question(
        machine="pump", inputs=[], outputs=["wear"], since=START - 7200, until=START + 7200, points=4
    )
    lasted = (await History(kept).past(question)).lasted
    assert lasted == {"waiting": 12, "none": 10, "warning": 10, "alarm": 30, "off": 5}


async def test_without_any_event_nothing_is_said(tmp_path: Path) -> None:
    assert await spans(write(tmp_path / "history.db", []), 0, 100, 10) == []


async def test_the_log_of_a_range_is_whole_or_says_that_it_is_not(kept: Path) -> None:
    found = await History(kept).log(START + 45, START + 62)
    assert [(row.at - START, row.output) for row in found.alarms] == [
        (60, "wear"),
        (55, "leak"),
        (50, "wear"),
    ]
    assert found.events == []
    assert not found.more
    write(kept, [alarm(200 + n, "wear", RAISED) for n in range(MOST + 1)])
    found = await History(kept).log(START, START + 10**6)
    assert (len(found.alarms), found.more) == (MOST, True)
    assert found.alarms[0].at == START + 200 + MOST
    assert not (await History(kept).log(START + 201, START + 200 + MOST + 1)).more
