"""A card read from its file, and refused if it contradicts itself: every problem at once."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from converter.card import Card, Output, Steps
from converter.errors import CardError
from edge_agent.config.fields import Place, build, nearest

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
    card = build(Card, data, place)
    if card is not None and not place.errors:
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
    _steps(card.steps, len(card.inputs), place.at("steps"))
    for index, output in enumerate(card.outputs):
        _output(output, card, place.at(f"outputs[{index}]"))


def _names(card: Card, place: Place) -> None:
    for key, names in (
        ("inputs", [i.name for i in card.inputs]),
        ("outputs", [o.name for o in card.outputs]),
    ):
        for name in _doubled(names):
            place.at(key).wrong(f"{name!r} is there {names.count(name)} times")
        if not names:
            place.at(key).wrong(f"at least one [[{key}]] table is needed")
    if not card.name or "/" in card.name:
        place.at("name").wrong(f"{card.name!r} is no name for a bundle; use letters, digits, '-' and '_'")


def _steps(steps: Steps, width: int, place: Place) -> None:
    if steps.standardise + steps.divide_by_max + (steps.affine is not None) > 1:
        place.wrong("standardise, divide_by_max and affine exclude each other; keep one")
    affine = steps.affine
    if affine is None:
        return
    for key, numbers in (("affine.offset", affine.offset), ("affine.scale", affine.scale)):
        if len(numbers) != width:
            place.at(key).wrong(
                f"{len(numbers)} numbers for {width} inputs; give one for each, in their order"
            )
    if 0.0 in affine.scale:
        place.at("affine.scale").wrong("0 divides by zero")


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
