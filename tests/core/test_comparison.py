"""Candidate against active, as tables of cycles; and what is still lacking."""

import math

import dense_model
import pytest
from dense_model import limited

from edge_agent.core.comparison import Comparison, Promotion, Tally, shortfalls
from edge_agent.core.manifest import Limits
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason

LIMITS = Limits(on=0.8, off=0.6)


def verdict(score: float, *, alarm: bool = False) -> Verdict:
    reason = Reason.MODEL_DOWN if math.isnan(score) else Reason.NONE
    reading = Reading(output="wear", score=score, value=score, alarm=alarm)
    return Verdict(state=State.SHADOW, reason=reason, score=score, alarm=alarm, readings=(reading,))


def counted(cycles: list[tuple[Verdict, Verdict]], limits: Limits | None = LIMITS) -> Tally:
    comparison = Comparison(limited(limits), Tally(active="a", candidate="b"))
    for active, candidate in cycles:
        comparison.step(active, candidate)
    return comparison.tally


def test_scores_on_different_sides_of_the_limit_are_flips() -> None:
    tally = counted([(verdict(a), verdict(b)) for a, b in [(0.7, 0.75), (0.79, 0.8), (0.9, 0.1), (0.8, 0.8)]])
    assert (tally.cycles, tally.flips) == (4, 2)
    assert tally.largest == pytest.approx(0.8)
    assert tally.mean == pytest.approx((0.05 + 0.01 + 0.8) / 4)


def test_below_counts_downwards_and_without_limits_a_probability_flips_at_a_half() -> None:
    below = Limits(on=0.2, off=0.3, when="below")
    assert counted([(verdict(0.1), verdict(0.25))], below).flips == 1
    assert counted([(verdict(0.9), verdict(0.25))], below).flips == 0
    assert counted([(verdict(0.4), verdict(0.6))], None).flips == 1
    value = [dense_model.OUTPUT.__class__(name="wear", kind="value", tensor="answer")]
    comparison = Comparison(value, Tally(active="a", candidate="b"))
    comparison.step(verdict(0.4), verdict(0.6))
    assert comparison.tally.flips == 0


def test_only_cycles_of_both_count_and_silence_of_the_candidate_is_missed() -> None:
    nothing = verdict(math.nan)
    filling = counted([(verdict(0.5), nothing)] * 5)
    assert (filling.cycles, filling.missed) == (0, 0)
    assert math.isnan(filling.mean)
    both = (verdict(0.5), verdict(0.5))
    tally = counted([both, (nothing, verdict(0.5)), (verdict(0.5), nothing), (nothing, nothing)])
    assert (tally.cycles, tally.missed) == (1, 1)


@pytest.mark.parametrize(
    ("active", "candidate", "only"),
    [
        ("..##..", "..##..", (0, 0)),
        ("..##....", "...##...", (0, 0)),
        ("..##....", "....##..", (1, 1)),
        ("..##.....", ".....##..", (1, 1)),
        (".#.#.", ".....", (2, 0)),
        (".....", "..#..", (0, 1)),
        (".####", ".....", (0, 0)),
    ],
)
def test_alarms_that_only_one_of_them_raised(active: str, candidate: str, only: tuple[int, int]) -> None:
    """An alarm is counted when it is over; one after the other without a pause is one and the same."""
    tally = counted(
        [
            (verdict(0.5, alarm=a == "#"), verdict(0.5, alarm=c == "#"))
            for a, c in zip(active, candidate, strict=True)
        ]
    )
    assert (tally.only_active, tally.only_candidate) == only


def test_what_is_lacking_is_said_in_numbers() -> None:
    wanted = Promotion(cycles=1000, max_flips=0.001, max_alarms=0, max_missed=0.01)
    good = Tally(active="a", candidate="b", cycles=1000, flips=1, missed=10)
    assert shortfalls(good, wanted) == []
    bad = Tally(active="a", candidate="b", cycles=999, flips=5, missed=100, only_active=1, only_candidate=2)
    told = shortfalls(bad, wanted)
    assert told[0] == "999 of 1000 cycles"
    assert told[1] == "5 decisions differ, allowed are 0.001 of 999"
    assert "1 alarms that it missed and 2 that only it raised" in told[2]
    assert told[3] == "no answer in 100 cycles"
