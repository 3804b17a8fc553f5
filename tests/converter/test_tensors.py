"""What the card leaves open about a model is refused, with what to write in it."""

from typing import Any

import pytest

from converter import ConverterError, card
from converter.job import Column
from converter.tensors import explain, fill
from edge_agent.core.manifest import InputTensor, Tensor

SIGNALS, NOW = Tensor(name="signals", shape=[1, 10, 3]), Tensor(name="now", shape=[1, 2])
STATE, AHEAD = Tensor(name="state", shape=[1, 3]), Tensor(name="ahead", shape=[1, 30, 4])
COLUMNS = [Column(name=n, tensor="signals") for n in "abc"] + [Column(name=n, tensor="now") for n in "de"]


def columns(**tensors: str) -> list[Column]:
    return [Column(name=c.name, tensor=tensors.get(c.name, c.tensor)) for c in COLUMNS]


def test_each_tensor_takes_the_last_rows_of_its_columns() -> None:
    signals, now = fill("m", [SIGNALS, NOW], COLUMNS, 10)
    assert (signals.columns, signals.rows) == (["a", "b", "c"], 10)
    assert (now.columns, now.rows) == (["d", "e"], 1)
    (only,) = fill("m", [SIGNALS], [Column(name=n) for n in "abc"], 10)
    assert only.columns == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("given", "window", "says"),
    [
        (columns(d=""), 10, r"has 2 inputs, 'signals' \(10, 3\), 'now' \(2,\); say .* to which one 'd' goes"),
        (columns(d="know"), 10, r"no input 'know', to which the card gives 'd'; .*did you mean 'now'\?"),
        (columns(d="signals", e="signals"), 10, r"no column of the card goes to its input 'now' \(2,\)"),
        (columns(c="now"), 10, r"input 'signals' takes 30 numbers \(10, 3\), .* 1 to 10 rows of 2 columns"),
        (COLUMNS, 9, r"input 'signals' takes 30 numbers \(10, 3\), .* 1 to 9 rows of 3 columns"),
        (COLUMNS, 12, r"no input of it takes more than 10 rows; correct the card's `window` 12"),
    ],
)
def test_columns_that_fill_no_tensor_are_refused(given: list[Column], window: int, says: str) -> None:
    with pytest.raises(ConverterError, match=says):
        fill("m.keras", [SIGNALS, NOW], given, window)


@pytest.mark.parametrize("window", [9, 11])
def test_a_single_input_must_take_the_whole_window(window: int) -> None:
    with pytest.raises(ConverterError, match=rf"takes 30 numbers .* window x inputs makes {3 * window}"):
        fill("m.keras", [SIGNALS], [Column(name=n) for n in "abc"], window)


def output(kind: str, **said: Any) -> card.Output:
    return card.Output(name="y", kind=kind, **said)  # type: ignore[arg-type]


INPUTS = [InputTensor(name="signals", shape=[1, 3], columns=list("abc"))]


def test_one_number_of_several_is_explained_and_the_others_need_not_be() -> None:
    (found,) = explain([output("value", element=0)], [STATE], INPUTS)
    assert (found.tensor, found.element) == ("state", 0)


@pytest.mark.parametrize(
    ("said", "tensors", "says"),
    [
        (
            output("value"),
            [AHEAD],
            r"'y': tensor 'ahead' has the shape \(30, 4\), 120 numbers, .* which one: element = 0 to 119",
        ),
        (output("probability"), [STATE], "element = 0 to 2"),
        (output("forecast", of="a", horizon=1), [STATE], "element = 0 to 2"),
        (output("value", element=3), [STATE], "`element` 3 is not 0 to 2"),
        (output("value"), [STATE, AHEAD], r'2 outputs; .* tensor = "state", of .*\'ahead\' \(30, 4\)'),
        (output("value", tensor="hat"), [STATE, AHEAD], "no output 'hat'"),
        (output("class", classes=["a", "b"]), [STATE], r"shape \(3,\), the card names 2 classes; name 3"),
        (output("reconstruction_error"), [AHEAD], "rebuilds an input of as many numbers"),
        (output("reconstruction_error", of="other"), [STATE], 'which one: of = "signals"'),
    ],
)
def test_an_output_that_is_not_explained_is_refused(
    said: card.Output, tensors: list[Tensor], says: str
) -> None:
    with pytest.raises(ConverterError, match=says):
        explain([said], tensors, INPUTS)
