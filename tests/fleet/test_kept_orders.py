"""Which order is next, and what is remembered of it over a restart."""

from pathlib import Path

import msgspec
import pytest

from edge_agent.fleet import orders
from edge_agent.fleet.documents import LARGEST_DOCUMENT, Bundle, Command, Desired, File, What
from edge_agent.fleet.orders import MOST, TRIES, Orders

STOP = Command(do="stop-writing", expires=0.0)
PUMP = Bundle(do="activate", name="pump", sequence=2, file=File(sha256="ab", index="cd"))


def heard(kept: Orders, number: int, what: What) -> str:
    return kept.hear(Desired(gateway="gw1", number=number, what=what), "office")


def test_orders_that_were_missed_are_done_oldest_first(tmp_path: Path) -> None:
    """Else a configuration could be there before the bundle that it names."""
    kept = Orders(tmp_path)
    heard(kept, 5, STOP)
    heard(kept, 3, PUMP)
    first = kept.next()
    assert first is not None
    assert first.desired.number == 3
    kept.begun(first)
    second = kept.next()
    assert second is not None
    assert second.desired.number == 5


def test_none_is_done_twice_and_no_older_one_even_after_a_restart(tmp_path: Path) -> None:
    kept = Orders(tmp_path)
    heard(kept, 5, STOP)
    taken = kept.next()
    assert taken is not None
    kept.begun(taken)
    kept.keep(taken, "done")
    kept = Orders(tmp_path)
    assert heard(kept, 5, STOP) == ""
    assert heard(kept, 4, STOP) == "order 4 is older than 5, and is not obeyed"
    assert kept.next() is None
    heard(kept, 6, STOP)
    assert kept.next() is not None


def test_one_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    kept = Orders(tmp_path)
    heard(kept, 5, PUMP)
    taken = kept.next()
    assert taken is not None
    kept.begun(taken)
    kept.keep(taken, "installing")
    assert kept.next() is None
    kept = Orders(tmp_path)
    heard(kept, 5, PUMP)
    assert kept.next() is not None


def test_one_that_cannot_be_done_now_waits_longer_each_time_and_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, now = Orders(tmp_path), 0.0
    monkeypatch.setattr(orders.time, "monotonic", lambda: now)
    heard(kept, 5, PUMP)
    waits = []
    for _ in range(TRIES - 1):
        taken = kept.next()
        assert taken is not None
        kept.begun(taken)
        kept.later(taken, "busy")
        assert taken.stage == "waiting"
        began = now
        while kept.next() is None:
            now += 1.0
        waits.append(now - began)
    assert waits == sorted(waits)
    assert 30 <= waits[0] <= 61
    assert 480 <= waits[-1] <= 961
    taken = kept.next()
    assert taken is not None
    kept.begun(taken)
    kept.later(taken, "busy")
    assert (taken.stage, taken.detail) == ("refused", "busy; tried 6 times")
    assert kept.next() is None


def test_what_is_remembered_has_a_bound(tmp_path: Path) -> None:
    kept = Orders(tmp_path)
    for number in range(MOST + 20):
        heard(kept, number + 1, Command(do="acknowledge", target=f"m{number}", expires=0.0))
        taken = kept.next()
        assert taken is not None
        kept.begun(taken)
        kept.keep(taken, "done", "x" * 10_000)
    reported = [taken.progress() for taken in kept.by_subject.values()]
    assert len(msgspec.json.encode(reported)) < LARGEST_DOCUMENT / 2
    assert len(Orders(tmp_path).by_subject) == MOST
    assert "command/acknowledge/m0" not in kept.by_subject
