"""A card read from its file, and refused if it contradicts itself: every problem at once."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from converter.card import Card, Input, Output
from converter.errors import CardError
from edge_agent import installed
from edge_agent.config.fields import Place, build, nearest
from edge_agent.config.modbus_tags import LONGEST_ARRAY
from edge_agent.core.steps import CLOCK, Step, StepError

_BY_KIND = {
    "probability": {"element"},
    "value": {"element", "scale", "offset", "divide_by_max"},
    "reconstruction_error": {"of"},
    "class": {"classes", "normal"},
    "forecast": {"element", "scale", "offset", "of", "horizon"},
}
"""The keys of an output that only some kinds have."""


def load(path: Path) -> Card:
    """Read and check a card. Raises `CardError` with every problem."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CardError([f"{path}: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError([f"{path}: not TOML: {error}"]) from None
    place = Place(path)
    steps = _steps(data.pop("steps", []), place.at("steps"))
    card = build(Card, data, place)
    if card is not None and not place.errors:
        card = msgspec.structs.replace(card, steps=steps, inputs=_one_by_one(card.inputs, place))
        _contradictions(card, place)
    if card is None or place.errors:
        raise CardError(place.errors)
    return card


def _contradictions(card: Card, place: Place) -> None:
    _names(card, place)
    if not 1 <= card.window <= 100_000:
        place.at("window").wrong(f"{card.window} rows; 1 to 100000 are possible")
    if card.sequence < 1:
        place.at("sequence").wrong(f"{card.sequence}; releases count from 1")
    if card.train_rows is not None and card.train_rows < 1:
        place.at("train_rows").wrong(f"{card.train_rows}; leave it out if all rows are training rows")
    if not 0 <= card.min_good <= 1:
        place.at("min_good").wrong(f"{card.min_good:g} is no share; 0 to 1 are possible")
    if card.clock and not card.time:
        place.at("time").wrong("a step asks for the wall time; name the column that holds it")
    if card.streaming and (card.min_good or any(i.fill != "hold" for i in card.inputs)):
        place.at("streaming").wrong("a row is seen before it could be filled; leave out fill and min_good")
    _planned(card, place)
    for index, output in enumerate(card.outputs):
        _output(output, card, place.at(f"outputs[{index}]"))


def _names(card: Card, place: Place) -> None:
    for key, names in (
        ("inputs", [*(i.name for i in card.inputs), *(c.name for c in card.constants)]),
        ("outputs", [o.name for o in card.outputs]),
    ):
        for name in _doubled(names):
            place.at(key).wrong(f"{name!r} is there {names.count(name)} times")
        if not names:
            place.at(key).wrong(f"at least one [[{key}]] table is needed")
    if CLOCK in [*(i.name for i in card.inputs), *(c.name for c in card.constants)]:
        place.at("inputs").wrong(f"{CLOCK!r} is the column of the wall time; give another name")
    if not card.name or "/" in card.name:
        place.at("name").wrong(f"{card.name!r} is no name for a bundle; use letters, digits, '-' and '_'")


def _one_by_one(inputs: list[Input], place: Place) -> list[Input]:
    """Return the inputs with every element of a waveform as one of its own."""
    found = []
    for index, given in enumerate(inputs):
        if not 0 <= given.elements <= LONGEST_ARRAY:
            place.at(f"inputs[{index}].elements").wrong(f"{given.elements}; at most {LONGEST_ARRAY}")
        elif given.elements:
            found += [
                msgspec.structs.replace(
                    given, name=f"{given.name}[{i}]", column=f"{given.source}[{i}]", elements=0
                )
                for i in range(given.elements)
            ]
        else:
            found.append(given)
    return found


def _steps(tables: object, place: Place) -> list[Step]:
    """Build the steps of a card, each from its table."""
    if not isinstance(tables, list):
        place.wrong("must be [[steps]], one table for each step, in their order")
        return []
    where = [Place(place.file, f"{place.key}[{i}]", place.errors) for i in range(len(tables))]
    found = [_step(table, at) for table, at in zip(tables, where, strict=True)]
    return [step for step in found if step is not None]


def _planned(card: Card, place: Place) -> None:
    """Plan the steps as far as that goes without the data."""
    columns = [*(i.name for i in card.inputs), *(c.name for c in card.constants)] + [CLOCK] * card.clock
    for index, step in enumerate(card.steps):
        made_up = np.repeat([[1.0], [2.0]], len(columns), axis=1)
        try:
            columns = list(step.fitted(columns, made_up).plan(columns, float(card.period)).columns)
        except StepError as error:
            place.at(f"steps[{index}]").wrong(str(error))
            return
    for name in card.tensors:
        if name not in columns:
            place.at(f"tensors.{name}").wrong(f"the steps make no such column; {nearest(name, columns)}")


def _step(table: object, place: Place) -> Step | None:
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        place.at("kind").wrong(f"is missing; known: {', '.join(installed.names())}")
        return None
    name = table["kind"]
    try:
        kind = installed.find(name)
    except ValueError as error:
        place.at("kind").wrong(str(error))
        return None
    if kind is None:
        place.at("kind").wrong(f"{name!r} is not installed; {nearest(name, installed.names())}")
        return None
    assert issubclass(kind, msgspec.Struct)
    return build(kind, {key: value for key, value in table.items() if key != "kind"}, place)


def _output(output: Output, card: Card, place: Place) -> None:
    for key in sorted(_given(output) - _BY_KIND[output.kind]):
        kinds = " or ".join(repr(kind) for kind, keys in _BY_KIND.items() if key in keys)
        place.at(key).wrong(f"is for kind {kinds}, not {output.kind!r}")
    if output.scale == 0:
        place.at("scale").wrong("0 would make every answer the same")
    if output.divide_by_max and output.scale is not None:
        place.wrong("scale and divide_by_max exclude each other; keep one")
    match output.kind:
        case "class":
            _classes(output, place)
        case "forecast":
            _forecast(output, [i.name for i in card.inputs], place)
    for key, limits in (("limits", output.limits), ("warning", output.warning)):
        if limits and limits.when == "above" and limits.off > limits.on:
            place.at(f"{key}.off").wrong(f"{limits.off:g} is above {key}.on {limits.on:g}")
        if limits and limits.when == "below" and limits.off < limits.on:
            place.at(f"{key}.off").wrong(f"{limits.off:g} is below {key}.on {limits.on:g}")


def _given(output: Output) -> set[str]:
    bare = Output(name=output.name, kind=output.kind)
    keys = set().union(*_BY_KIND.values())
    return {key for key in keys if getattr(output, key) != getattr(bare, key)}


def _classes(output: Output, place: Place) -> None:
    if len(output.classes) < 2:
        place.at("classes").wrong("name at least two classes, in the order of the model's numbers")
    for name in _doubled(output.classes):
        place.at("classes").wrong(f"{name!r} is there {output.classes.count(name)} times")
    if output.normal and output.normal not in output.classes:
        place.at("normal").wrong(f"{output.normal!r} is no class; {nearest(output.normal, output.classes)}")
    if (output.limits or output.warning) and not output.normal:
        place.at("limits").wrong("the score of a class is its index; say which class is normal")


def _forecast(output: Output, inputs: list[str], place: Place) -> None:
    if output.of not in inputs:
        place.at("of").wrong(f"{output.of!r} is no input; {nearest(output.of, inputs)}")
    if not 1 <= output.horizon <= 100_000:
        place.at("horizon").wrong(f"{output.horizon} rows; 1 to 100000 are possible")


def _doubled(names: list[str]) -> Iterable[str]:
    return sorted({name for name in names if names.count(name) > 1})
