"""The card: what the ML engineer says about a model that the model file cannot say. One TOML file."""

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from converter.errors import CardError
from edge_agent.config.fields import Delay, Place, Seconds, build
from edge_agent.core import manifest


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the model. `column` is its column in the data, by default `name`."""

    name: str
    column: str = ""
    unit: str = ""

    @property
    def source(self) -> str:
        """The column in the data."""
        return self.column or self.name


class Affine(msgspec.Struct, frozen=True, kw_only=True):
    """The scaling that the training script used: ``(x - offset) / scale``, in the order of the inputs."""

    offset: list[float]
    scale: list[float]


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """At most one of three ways to scale the inputs. The first two are computed from the training rows."""

    standardise: bool = False
    divide_by_max: bool = False
    affine: Affine | None = None


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer means. `column` holds the target in labelled data, by default `name`.

    `divide_by_max`: the model was trained on targets divided by their maximum in the training rows;
    the maximum becomes the `scale`.
    """

    name: str
    kind: Literal["probability", "value", "reconstruction_error"]
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    column: str = ""
    divide_by_max: bool = False

    @property
    def source(self) -> str:
        """The column in the data."""
        return self.column or self.name


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Alarm limits on the score, as `edge_agent.core.manifest.Limits` has them."""

    on: float
    off: float
    on_delay: Delay = Delay(0)
    off_delay: Delay = Delay(0)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A whole card. `train_rows` are the first rows of the data; None means all of them.

    `group` is a column that names contiguous runs: no window spans two of them. `columns` names the
    columns of a ``.npy`` table.
    """

    name: str
    version: str
    period: Seconds
    inputs: list[Input]
    output: Output
    window: int = 1
    max_gap: Delay = Delay(0)
    steps: Steps = Steps()
    limits: Limits | None = None
    group: str = ""
    train_rows: int | None = None
    columns: list[str] = []


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


def of_bundle(bundle: manifest.Manifest) -> Card:
    """Return the card that fits a bundle whose data has columns named as the bundle's inputs and output."""
    output = bundle.output
    return Card(
        name=bundle.name,
        version=bundle.version,
        period=Seconds(bundle.period),
        inputs=[Input(name=i.name) for i in bundle.inputs],
        output=Output(name=output.name, kind=output.kind),
    )


def _contradictions(card: Card, place: Place) -> None:
    names = [i.name for i in card.inputs]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            place.at("inputs").wrong(f"{name!r} is there {names.count(name)} times")
    if not names:
        place.at("inputs").wrong("at least one [[inputs]] table is needed")
    if not card.name or "/" in card.name:
        place.at("name").wrong(f"{card.name!r} is no name for a bundle; use letters, digits, '-' and '_'")
    if not 1 <= card.window <= 100_000:
        place.at("window").wrong(f"{card.window} rows; 1 to 100000 are possible")
    if card.train_rows is not None and card.train_rows < 1:
        place.at("train_rows").wrong(f"{card.train_rows}; leave it out if all rows are training rows")
    _steps(card.steps, len(names), place.at("steps"))
    _output(card.output, place.at("output"))
    if card.limits and card.limits.off > card.limits.on:
        place.at("limits.off").wrong(f"{card.limits.off:g} is above limits.on {card.limits.on:g}")


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


def _output(output: Output, place: Place) -> None:
    if output.scale == 0:
        place.at("scale").wrong("0 would make every answer the same")
    if output.kind != "value" and (output.scale != 1 or output.offset != 0 or output.divide_by_max):
        place.wrong(f"scale, offset and divide_by_max are for kind 'value', not {output.kind!r}")
    if output.divide_by_max and output.scale != 1:
        place.wrong("scale and divide_by_max exclude each other; keep one")
