"""Clocks that are off are told of once, by name, and when they are right again."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from opcua_process import tags

from edge_agent.core.tags import Columns, Reason
from edge_agent.drivers.opcua.clock import EVERY, Clock, Times

NOW = 1_800_000_000.0


@pytest.fixture
def told() -> list[str]:
    return []


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def columns(*seconds: float | None) -> Columns:
    """Values whose source times are so far from now; None for one that has no time."""
    source = [0 if s is None else int((NOW + s) * 1e9) for s in seconds]
    return replace(Columns.bad(len(source), Reason.NONE, 0), source=np.array(source, np.int64))


def test_a_server_is_told_of_when_it_goes_wrong_and_when_it_is_right_again(told: list[str]) -> None:
    clock = Clock(60, told.append)
    for ahead in (0, 59, 61, 90, -3600, 10, 0, -7205):
        clock.hear(at(ahead), NOW)
    assert told == [
        "the server's clock is 61 s ahead of ours; set the one that is wrong",
        "the server's clock is right again",
        "the server's clock is 7205 s behind ours; set the one that is wrong (it may run on local time)",
    ]


def test_an_old_time_is_wrong_only_if_it_is_new(told: list[str]) -> None:
    times = Times(tags("a", "b", "c"), Clock(60, told.append))
    times.look(columns(-4000, -4000, None), NOW)
    times.look(columns(-4000, -4000, None), NOW + 1)
    times.look(columns(-4000, -3990, None), NOW + EVERY)
    assert [text[:2] for text in told] == ["b "]
    times.look(columns(-4000, -3980, None), NOW + 2 * EVERY)
    times.look(columns(-4000, 2 * EVERY, None), NOW + 3 * EVERY)
    assert len(told) == 1
    times.look(columns(-4000, -3970, None), NOW + 4 * EVERY)
    assert len(told) == 2


def test_a_time_in_the_future_is_wrong_from_the_first(told: list[str]) -> None:
    times = Times(tags("a", "b", "c"), Clock(60, told.append))
    times.look(columns(0, 61, 300), NOW)
    (text,) = told
    assert text.startswith(
        "c (nsu=urn:test:plant;s=c) has a time that is 300 s ahead of the server, and 1 more"
    )


def test_how_far_the_server_is_off_is_not_told_of_its_values(told: list[str]) -> None:
    clock = Clock(60, told.append)
    clock.hear(at(600), NOW)
    told.clear()
    Times(tags("a"), clock).look(columns(600), NOW)
    assert told == []
