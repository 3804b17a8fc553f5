"""What an expression over tags says, what it refuses, and how a gate opens."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from edge_agent.core.gate import LONGEST, Expression, ExpressionError, Gate, Gatekeeper
from edge_agent.core.tags import Columns, Quality, Reason

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("press.speed > 50 and press.mode == 3", [60, 3], True),
        ("press.speed > 50 and press.mode == 3", [60, 2], False),
        ("press.on", [7], True),
        ("not press.on", [7], False),
        ("'press.line-speed' >= 5", [5], True),
        ("10 < a.b <= 20", [20], True),
        ("10 < a.b <= 20", [10], False),
        ("a.b - a.c * 2 < -1 / 4", [1, 0.7], True),
        ("(a.b or a.c) and not a.d", [0, 1, 0], True),
        ("a.b != a.b", [1], False),
        ("  a.b\n > 1 ", [2], True),
        ("vib.rms[3] > 1", [2], True),
        ("opc.line.speed > 1", [2], True),
        ("a.b / a.c > 1", [1, 0], None),
        ("1e200 * a.b > 1", [1e200], None),
        ("a.b > 0 or 1 / a.b > 0", [1], True),
    ],
)
def test_expression(text, values, said):
    assert Expression(text)([float(v) for v in values]) is said


def test_tags_are_those_in_it_once_and_in_order():
    assert Expression("b.x > 1 and (a.y < 2 or b.x == 0)").tags == ["b.x", "a.y"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("press.speed > > 3", "at position 15"),
        ("", "not understood"),
        ("press.speed = 3", "position 13"),
        ("speed > 3", "'speed' at position 1 is not allowed"),
        ("a.b > True", "'True' at position 7"),
        ("a.b ** 9 > 1", r"'a.b \*\* 9' at position 1"),
        ("a.b > 1e999", "position 7"),
        ("abs(a.b) > 1", r"'abs\(a.b\)' at position 1"),
        ("a.b.__class__()", "is not allowed"),
        ("a.b in (1, 2)", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("[1 for x in a.b]", "is not allowed"),
        ("a.b[c.d] > 1", "is not allowed"),
        ("a.b if a.c else a.d", "is not allowed"),
        ("(a.x := 3)", "not understood|not allowed"),
        ("(" * 300 + "1" + ")" * 100, "not understood"),
        ("\0", "not understood"),
        ("a.b > " + "1" * LONGEST, f"at most {LONGEST}"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text, says):
    with pytest.raises(ExpressionError, match=says):
        Expression(text)


@given(st.text(st.sampled_from("ab.()<>=!+-*/ 019andortn'\"[]:,"), max_size=40), st.floats(-9, 9))
def test_whatever_is_written_is_either_refused_or_says_true_false_or_nothing(text, number):
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    assert expression([number] * len(expression.tags)) in (True, False, None)


def told(*values: float) -> Columns:
    quality = [Quality.BAD if np.isnan(v) else Quality.GOOD for v in values]
    reason = [Reason.TIMEOUT if np.isnan(v) else Reason.NONE for v in values]
    return Columns(
        np.array(values),
        np.array(quality, np.uint8),
        np.array(reason, np.uint8),
        np.zeros(len(values), np.int64),
    )


def test_it_opens_once_the_machine_has_run_for_as_long_as_it_settles():
    gate = Gatekeeper(Gate(running="m.speed > 50 and m.mode == 3", settle=3))
    idle, settling, runs = Reason.MACHINE_IDLE, Reason.MACHINE_SETTLING, Reason.NONE
    rows = [
        (told(0, 3), (idle, "")),
        (told(60, 3), (settling, "")),
        (told(60, 3), (settling, "")),
        (told(60, 3), (settling, "")),
        (told(60, 3), (runs, "")),
        (told(40, 3), (idle, "")),
        (told(60, 3), (settling, "")),
        (told(60, np.nan), (Reason.TIMEOUT, "m.mode")),
        (told(60, 3), (settling, "")),
    ]
    assert [gate.judge(row, tick * S) for tick, (row, _) in enumerate(rows)] == [said for _, said in rows]


def test_what_comes_to_no_number_is_not_known():
    gate = Gatekeeper(Gate(running="a.b / a.c > 1"))
    assert gate.judge(told(1, 0), 0) == (Reason.NOT_FINITE, "")
    assert gate.judge(told(2, 1), S) == (Reason.NONE, "")
