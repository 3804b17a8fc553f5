"""Whose turn it is, as tables: no link, no clock."""

from edge_agent.drivers.modbus.turns import HALF_LIFE, SHARE, SILENT_AFTER, Turns


def silenced(turns: Turns[str], unit: int, now: float) -> None:
    for _ in range(SILENT_AFTER):
        turns.put(unit, "lost")
        assert turns.take(now) == "lost"
        turns.done(unit, 1.0, now, answered=False)


def test_a_unit_s_requests_keep_their_order() -> None:
    turns = Turns[str]()
    for request in "abc":
        turns.put(1, request)
    assert [turns.take(0.0) for _ in range(4)] == ["a", "b", "c", None]
    assert len(turns) == 0


def test_whoever_has_used_the_link_least_goes_first() -> None:
    turns = Turns[str]()
    for unit, seconds in ((1, 1.2), (2, 1.1), (7, 0.04)):
        turns.put(unit, "")
        turns.take(0.0)
        turns.done(unit, seconds, 10.0, answered=True)
    for unit in (1, 2, 7):
        turns.put(unit, f"u{unit}")
    assert [turns.take(10.0) for _ in range(3)] == ["u7", "u2", "u1"]


def test_what_was_used_long_ago_counts_no_more() -> None:
    turns = Turns[str]()
    for unit, seconds, at in ((1, 5.0, 0.0), (2, 0.5, 10 * HALF_LIFE)):
        turns.put(unit, "")
        turns.take(at)
        turns.done(unit, seconds, at, answered=True)
    turns.put(1, "u1")
    turns.put(2, "u2")
    assert turns.take(10 * HALF_LIFE) == "u1"


def test_a_silent_unit_gets_its_share_even_of_a_link_that_is_always_busy() -> None:
    turns = Turns[str]()
    turns.put(7, "")
    turns.take(0.0)
    turns.done(7, 0.04, 0.0, answered=True)
    silenced(turns, 1, 0.0)
    assert turns.silent(1)
    assert not turns.silent(7)
    turns.put(1, "knock")
    assert turns.take(0.0) is None
    due = turns.when()
    assert due == 1.0 * (1 - SHARE) / SHARE
    turns.put(7, "poll")
    assert turns.take(due - 0.1) == "poll"
    turns.put(7, "poll")
    assert [turns.take(due), turns.take(due)] == ["knock", "poll"]


def test_where_all_are_silent_nobody_has_to_wait_for_a_share() -> None:
    turns = Turns[str]()
    silenced(turns, 1, 0.0)
    turns.put(1, "knock")
    assert turns.take(0.0) == "knock"


def test_one_answer_and_a_unit_is_as_good_as_any() -> None:
    turns = Turns[str]()
    silenced(turns, 1, 0.0)
    turns.done(1, 0.1, 0.0, answered=True)
    assert not turns.silent(1)


def test_a_unit_that_is_held_waits_and_the_others_do_not() -> None:
    turns = Turns[str]()
    turns.put(1, "u1")
    turns.put(2, "u2")
    turns.hold(1, 3.0)
    assert turns.take(0.0) == "u2"
    assert turns.take(2.9) is None
    assert turns.when() == 3.0
    assert turns.take(3.0) == "u1"


def test_on_a_new_connection_nobody_waits_or_is_held() -> None:
    turns = Turns[str]()
    turns.put(1, "u1")
    turns.hold(1, 3.0)
    assert turns.drop_all() == ["u1"]
    assert len(turns) == 0
    turns.put(1, "again")
    assert turns.take(0.0) == "again"


def test_urgent_requests_go_before_the_others_of_their_unit_in_their_own_order() -> None:
    turns = Turns[str]()
    for request in "ab":
        turns.put(1, request)
    for request in "xy":
        turns.put(1, request, urgent=True)
    assert [turns.take(0.0) for _ in range(2)] == ["x", "y"]
    turns.put(1, "z", urgent=True)
    assert [turns.take(0.0) for _ in range(3)] == ["z", "a", "b"]
