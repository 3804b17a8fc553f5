"""What was sent and what was not: whatever happens, every result is sent, and once."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.north import cursor
from edge_agent.north.cursor import Cursor, Gap

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.integers(1, 50)),
        st.tuples(st.just("away"), st.just(0)),
        st.tuples(st.just("send"), st.integers(1, 20)),
        st.tuples(st.just("late"), st.integers(1, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_result_is_sent_once(steps: list[tuple[str, int]]) -> None:
    known, newest, sent = Cursor(), 0, []
    for what, n in [*steps, ("away", 0), *[("late", 1000)] * 100]:
        if what == "new":
            newest += n
        elif what == "away":
            known.leave(newest, float(newest))
        elif what == "send":
            until = min(known.sent + n, newest)
            sent += range(known.sent + 1, until + 1)
            known.sent = until
        elif known.gaps:
            gap = known.gaps[0]
            until = min(gap.after + n, gap.until)
            sent += range(gap.after + 1, until + 1)
            known.made_up(until)
        unsent = [i for gap in known.gaps for i in range(gap.after + 1, gap.until + 1)]
        assert sorted(sent + unsent) == list(range(1, known.sent + 1))
        assert known.waiting == len(unsent)
    assert sorted(sent) == list(range(1, newest + 1))


def test_what_is_no_longer_there_is_counted() -> None:
    known = Cursor(sent=100, gaps=[Gap(10, 20), Gap(30, 60)])
    assert known.forget_before(41) == 20
    assert known.gaps == [Gap(40, 60)]
    assert known.forget_before(151) == 70
    assert (known.gaps, known.sent, known.lost) == ([], 150, 90)


def test_gaps_have_a_bound_and_nothing_is_lost_by_it() -> None:
    known = Cursor()
    for i in range(2 * cursor.MOST_GAPS):
        known.sent = 100 * i + (i % 7)
        known.leave(100 * (i + 1), 0.0)
    assert len(known.gaps) == cursor.MOST_GAPS
    covered = {i for gap in known.gaps for i in range(gap.after + 1, gap.until + 1)}
    for i in range(2 * cursor.MOST_GAPS):
        assert set(range(100 * i + (i % 7) + 1, 100 * (i + 1) + 1)) <= covered


def test_it_survives_and_a_damaged_one_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "cursor.json"
    assert cursor.load(path) == Cursor()
    kept = Cursor(sent=7, at=1.5, gaps=[Gap(1, 3)], began=True, birth=255, inputs={"pump": ["a.flow"]})
    cursor.save(path, kept)
    assert cursor.load(path) == kept
    path.write_bytes(path.read_bytes()[:-5])
    assert cursor.load(path) == Cursor()
