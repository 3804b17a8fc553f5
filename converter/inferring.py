"""A card inferred from the columns of the history and the ends of the model. What is unclear is an error."""

import math
from dataclasses import dataclass

import numpy as np

from converter.card import Card, Input, Output
from converter.errors import ConverterError
from converter.job import Facts
from converter.recorded import Recorded
from edge_agent.config.fields import Seconds

_TARGETS = {
    "alarm", "anomaly", "class", "fault", "failure", "label", "labels", "output", "rul", "target", "y",
}  # fmt: skip
_MARKS = {"", "batch", "cycle", "engine", "group", "id", "index", "machine", "row", "run", "unit"}
"""They tell rows apart: what is left over beside them may be anything."""
_LATE = 1.5
"""Periods: a longer step is a hole."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A card, and for some of its keys why they are as they are."""

    card: Card
    why: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which columns the model takes, in which window, and which column is left over as the target."""

    window: int
    inputs: list[str]
    target: str


def infer(name: str, recorded: Recorded, facts: Facts) -> Inferred:
    """Infer the card of the model `name`. Raises `ConverterError`, which says what a card must tell."""
    if len(facts.inputs) != 1 or len(facts.outputs) != 1:
        ends = "; ".join(f"{t.name} {t.shape[1:]}" for t in (*facts.inputs, *facts.outputs))
        raise _unclear(
            f"the model has {len(facts.inputs)} inputs and {len(facts.outputs)} outputs ({ends})",
            "tensor in each [[inputs]] and [[outputs]]",
        )
    shape = facts.inputs[0].shape[1:]
    layout = _layout(shape, recorded)
    period, steps = _period(recorded)
    output, meaning = _output(facts, layout)
    left_out = [f"{recorded.time!r} (the time)", *(f"{text!r} (text)" for text in recorded.texts)]
    if layout.target:
        left_out.append(f"{layout.target!r} (the target)")
    return Inferred(
        Card(
            name=name.replace("/", "_"),
            version="1",
            period=Seconds(period),
            window=layout.window,
            inputs=[Input(name=column) for column in layout.inputs],
            outputs=[output],
        ),
        {
            "period": f"seconds, the median step of {recorded.time!r}{steps}",
            "window": f"rows; the model takes {shape}",
            "inputs": f"All columns in their order but {', '.join(left_out)}",
            "outputs": meaning,
        },
    )


def _unclear(what: str, key: str) -> ConverterError:
    return ConverterError(f"no card can be inferred: {what}; write a card that gives {key}, see --card")


def _period(recorded: Recorded) -> tuple[float, str]:
    steps = np.diff(recorded.seconds)
    steps = steps[steps > 0]
    if not len(steps):
        raise _unclear("no column of the data says the time", 'period, as period = "1s"')
    median = float(np.median(steps))
    period = round(median, 6) or median  # seconds since 1970 are not told finer
    late = float(np.mean(steps > _LATE * period))
    return period, f"; {late:.1%} of the steps are longer: see group and max_gap" if late else ""


def _layout(shape: list[int], recorded: Recorded) -> _Layout:
    """Fit the columns to the model's input: all of them, or all but one, which then is the target."""
    columns, size = recorded.numbers, math.prod(shape)
    named = [column for column in columns if column.strip().lower() in _TARGETS]
    target = named[0] if len(named) == 1 else columns[-1] if columns else ""
    without = [column for column in columns if column != target]
    choices = [(columns, "")]
    if len(named) == 1:
        choices.insert(0, (without, target))
    elif not named and not any(column.strip().lower() in _MARKS for column in columns):
        choices.append((without, target))
    own = (shape[0], size // shape[0]) if len(shape) > 1 else (1, size)
    for inputs, left in choices:
        if len(inputs) == own[1]:
            return _Layout(own[0], inputs, left)
    flat = [_Layout(size // len(i), i, left) for i, left in choices if i and size % len(i) == 0]
    if len(shape) > 1 or len(flat) != 1:
        raise _unclear(
            f"{len(columns)} columns ({', '.join(columns)[:300]}) do not explain the model's input {shape}",
            "window, and [[inputs]] in the order of the model",
        )
    return flat[0]


def _output(facts: Facts, layout: _Layout) -> tuple[Output, str]:
    shape, maker = facts.outputs[0].shape[1:], facts.makers[0]
    size = math.prod(shape)
    if maker == "SOFTMAX" and size == shape[-1] > 1:
        named = [str(number) for number in range(size)]
        return (
            Output(name=layout.target or "class", kind="class", classes=named),
            f"softmax over {size} numbers; write the names of the classes, and which one is normal",
        )
    if maker == "LOGISTIC" and size == 1:
        return Output(name=layout.target or "probability", kind="probability"), "one number from a sigmoid"
    if size > 1 and shape == facts.inputs[0].shape[1:]:
        return (
            Output(name=layout.target or "reconstruction_error", kind="reconstruction_error"),
            f"{shape}, the shape of the input",
        )
    if size == 1:
        return Output(name=layout.target or "value", kind="value"), "one number, not from a sigmoid"
    raise _unclear(
        f"the model answers {shape}, no softmax, and takes {facts.inputs[0].shape[1:]}",
        "[[outputs]] with kind and element",
    )
