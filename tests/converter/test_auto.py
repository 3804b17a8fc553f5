"""The choice among the recipes, as a table of figures: who wins, and why the others lose."""

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from converter import ConverterError, auto
from converter.auto import Budget, Candidate, Measured
from converter.cli import main
from converter.compare import Comparison
from converter.decisions import Decisions
from converter.options import Share
from edge_agent.inference.timing import Latency

DEFAULT = Budget()


def measured(
    error: float = 0.001, flips: float | None = 0.0, us: float = 5, size: int = 9000, missed: int = 0
) -> Measured:
    decided = []
    if flips is not None:
        made = Decisions(output="y", limit=0.8, flips=flips, flipped=[], alarms=3, missed=missed, false=0)
        decided = [made]
    return Measured(
        size=size,
        weights={"int8": 1},
        comparison=Comparison(
            windows=1000, range=1, max_error=error, mean_error=error / 9, fraction=error, outputs=[]
        ),
        decisions=decided,
        scores=[],
        saturation=[],
        latency=Latency(p50=70, p99=90, model=us),
        rss=40_000_000,
    )


def chosen(budget: Budget = DEFAULT, **figures: Measured | str) -> tuple[str, dict[str, str]]:
    """Return the choice among the recipes, and the reason given for each."""
    candidates = [
        Candidate(recipe=name, reason=found)  # type: ignore[arg-type]
        if isinstance(found, str)
        else Candidate(recipe=name, reason="", measured=found)  # type: ignore[arg-type]
        for name, found in figures.items()
    ]
    judged = auto.choose(candidates, budget)
    (best,) = (c.recipe for c in judged if c.chosen)
    return best, {c.recipe: c.reason for c in judged}


EXACT = {"error": 1e-7, "size": 40_000}


def test_the_fastest_within_the_budget_wins_and_every_loser_hears_why() -> None:
    best, why = chosen(
        float32=measured(**EXACT, us=900),
        float16=measured(size=20_000, us=900),
        dynamic_int8=measured(error=0.01, size=11_000, us=400),
        int8=measured(error=0.03, size=11_000, us=300),
        int8_io=measured(error=0.06, us=100),
        int16x8="LiteRT cannot run it: SPLIT_V",
    )
    assert best == "int8"
    assert why["dynamic_int8"] == "slower: 400 µs where int8 takes 300"
    assert why["int8_io"].startswith("wrong by up to 0.06, 6.00% of the output's range, where 5% is accepted")
    assert why["int16x8"] == "LiteRT cannot run it: SPLIT_V"
    assert why["int8"].startswith("of the 4 within the budget")


def test_noise_of_the_clock_does_not_choose() -> None:
    for us in ((5, 40), (40, 5), (1000, 1090), (1090, 1000)):
        best, why = chosen(
            float32=measured(**EXACT, us=us[0]), int8=measured(error=0.03, size=11_000, us=us[1])
        )
        assert best == "int8"
        assert why["float32"] == "as fast as int8, but larger: 40000 bytes where it has 11000"


def test_a_few_bytes_are_not_worth_an_error() -> None:
    best, why = chosen(float32=measured(error=1e-7, size=4900), int8=measured(error=0.03, size=4200))
    assert best == "float32"
    assert why["int8"] == "as fast and as small as float32, but not more exact"


def test_flips_and_missed_alarms_and_nan_lose_to_float32() -> None:
    best, why = chosen(
        float32=measured(**EXACT),
        float16=measured(error=math.inf),
        dynamic_int8=measured(error=0.01, flips=0.002),
        int8=measured(error=0.01, missed=1),
    )
    assert best == "float32"
    assert why["float16"] == "answers NaN or infinity to real rows"
    assert why["dynamic_int8"].startswith("decides otherwise in 0.20% of the windows (limit 0.8)")
    assert why["int8"] == "misses 1 of the 3 alarms that the original raises"
    assert chosen(Budget(max_flips=0.002), float32=measured(**EXACT), int8=measured(flips=0.002))[0] == "int8"
    assert chosen(Budget(max_error=0.2), float32=measured(**EXACT), int8=measured(error=0.19))[0] == "int8"


def test_if_nothing_can_be_used_every_reason_is_told() -> None:
    with pytest.raises(
        ConverterError, match=r"(?s)no recipe gives.*float32: wrong by.*int8: died of SIGSEGV"
    ):
        chosen(float32=measured(error=0.5), int8="died of SIGSEGV")


def test_shares_are_taken_as_fractions_and_percentages(tmp_path: Path) -> None:
    said = Share()
    assert said.convert("0.1%", None, None) == pytest.approx(0.001)
    assert said.convert("0.25", None, None) == 0.25
    done = CliRunner().invoke(
        main, ["convert", "m", "--data", "d", "--card", "c", "-o", str(tmp_path / "x"), "--max-flips", "few"]
    )
    assert done.exit_code == 2
    assert "'few' is no share; give a fraction as 0.001, or a percentage as 0.1%" in done.stderr
