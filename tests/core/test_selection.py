"""Chosen fields: what each type can say, and what says that there is nothing to say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.resultblock import FIELDS
from edge_agent.core.selection import RANGES, Chosen, Selection, problem

PLACE = {name: place for place, (name, _, _) in enumerate(FIELDS)}


def write(chosen: Chosen, value: float) -> float:
    values = [0.0] * len(FIELDS)
    values[PLACE[chosen.field]] = value
    (raw,) = Selection([chosen])(values)
    return raw


def score(kind: str, missing: float | None = -32768, scale: float = 0.01) -> Chosen:
    return Chosen(field="score", type=kind, scale=scale, missing=missing)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (0.75, 75),
        (-0.754, -75),
        (327.67, 32767),
        (327.68, -32768),
        (-400, -32768),
        (math.nan, -32768),
        (math.inf, -32768),
    ],
)
def test_an_integer_says_what_it_can_hold_and_else_that_there_is_nothing(value: float, raw: float) -> None:
    assert write(score("int16"), value) == raw


def test_a_float_says_nan() -> None:
    assert math.isnan(write(score("float32", None, 1), math.nan))
    assert write(score("float32", None, 0.5), 2.0) == 4.0


def test_fields_come_in_the_order_of_the_choice() -> None:
    values = [float(place) for place in range(len(FIELDS))]
    names = ("state", "heartbeat", "bundle")
    kinds = {name: kind for name, kind, _ in FIELDS}
    chosen = [Chosen(field=name, type=kinds[name]) for name in names]
    assert Selection(chosen)(values) == [PLACE[name] for name in names]


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (score("int16", None), "has no NaN"),
        (score("uint16"), "missing -32768 is no uint16"),
        (score("int16", 0.5), "missing 0.5 is no int16"),
        (score("bool"), "a result is no bool"),
        (Chosen(field="heartbeat", type="int16"), "int16 cannot hold every heartbeat; use uint16"),
        (Chosen(field="bundle", type="int32"), "use uint32"),
        (Chosen(field="state", type="uint16", scale=2), "no scale"),
        (Chosen(field="state", type="float32"), ""),
        (Chosen(field="sequence", type="int32"), ""),
        (score("int32"), ""),
        (score("float32", None), ""),
    ],
)
def test_a_choice_that_could_lie_is_refused(chosen: Chosen, says: str) -> None:
    found = problem(chosen)
    assert says in found
    assert bool(found) == bool(says)


@given(
    st.sampled_from([kind for kind in RANGES if not kind.startswith("float")]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(1e-6, 1e6),
)
def test_whatever_is_written_fits_its_type(kind: str, value: float, scale: float) -> None:
    low, high = RANGES[kind]
    raw = write(score(kind, low, scale), value)
    assert low <= raw <= high
    assert raw.is_integer()
