"""The card: what the ML engineer says about a model that the model file cannot say. One TOML file.

`converter.card_file` reads it.
"""

from typing import Literal

import msgspec

from edge_agent.config.fields import Delay, Seconds
from edge_agent.core import manifest


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the model. `column` is its column in the data, by default `name`.

    `tensor` names the model's input that it goes to; needed if the model has several.
    """

    name: str
    column: str = ""
    unit: str = ""
    tensor: str = ""

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


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Alarm limits on the score, as `edge_agent.core.manifest.Limits` has them."""

    on: float
    off: float
    when: Literal["above", "below"] = "above"
    on_delay: Delay = Delay(0)
    off_delay: Delay = Delay(0)


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer means, as `edge_agent.core.manifest.Output` has it.

    `tensor` may be left out if the model has one output, `element` if the tensor has one number. `column`
    holds the target in labelled data, by default `name`. `divide_by_max`: the model was trained on targets
    divided by their maximum in the training rows; the maximum becomes the `scale`. A forecast without
    `scale` and `offset` is in the units that the steps make of the input `of`.
    """

    name: str
    kind: manifest.Kind
    tensor: str = ""
    element: int | None = None
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    classes: list[str] = []
    normal: str = ""
    of: str = ""
    horizon: int = 0
    column: str = ""
    divide_by_max: bool = False
    limits: Limits | None = None
    warning: Limits | None = None

    @property
    def source(self) -> str:
        """The column in the data."""
        return self.column or self.name


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A whole card. `train_rows` are the first rows of the data; None means all of them.

    `sequence` is the number of the release; a gateway tells by it which of two bundles is newer. `group` is a
    column that names contiguous runs: no window spans two of them. `columns` names the columns of a ``.npy``
    table.
    """

    name: str
    version: str
    period: Seconds
    inputs: list[Input]
    outputs: list[Output]
    sequence: int = 1
    window: int = 1
    max_gap: Delay = Delay(0)
    streaming: bool = False
    """Whether the model goes row by row and keeps its state; `window` is then how many rows warm it up."""
    steps: Steps = Steps()
    group: str = ""
    train_rows: int | None = None
    columns: list[str] = []


def of_bundle(bundle: manifest.Manifest) -> Card:
    """Return the card that fits a bundle whose data has columns named as the bundle's inputs and outputs."""
    return Card(
        name=bundle.name,
        version=bundle.version,
        period=Seconds(bundle.period),
        inputs=[Input(name=i.name) for i in bundle.inputs],
        outputs=[Output(name=o.name, kind=o.kind) for o in bundle.outputs],
    )
