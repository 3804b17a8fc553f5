"""The card: what the ML engineer says about a model that the model file cannot say. One TOML file.

`converter.card_file` reads it.
"""

from typing import Literal

import msgspec

from edge_agent.config.fields import Delay, Seconds
from edge_agent.core import manifest
from edge_agent.core.fill import Fill
from edge_agent.core.steps import CLOCK, Step


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One input of the model. `column` is its column in the data, by default `name`.

    `tensor` names the model's input that it goes to; needed if the model has several. With `elements` it
    stands for so many inputs, ``name[0]`` and on, the samples of a waveform. `fill` and `max_age` are as
    `edge_agent.core.manifest.Input` has them.
    """

    name: str
    column: str = ""
    unit: str = ""
    tensor: str = ""
    elements: int = 0
    fill: Fill = "hold"
    max_age: Seconds | None = None

    @property
    def source(self) -> str:
        """The column in the data."""
        return self.column or self.name


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the machine that no tag gives. In the data it is a column, the same all through a run."""

    name: str
    column: str = ""
    unit: str = ""

    @property
    def source(self) -> str:
        """The column in the data."""
        return self.column or self.name


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
    column that names contiguous runs: no window spans two of them. `time` is the column that says when, for
    steps that ask for the wall time. `columns` names the columns of a ``.npy`` table. `tensors` says which of
    the model's inputs a feature goes to, if not to that of the input it is made of.
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
    min_good: float = 0.0
    steps: list[Step] = []
    constants: list[Constant] = []
    tensors: dict[str, str] = {}
    group: str = ""
    time: str = ""
    train_rows: int | None = None
    columns: list[str] = []

    @property
    def clock(self) -> bool:
        """Whether a step asks for the wall time."""
        return any(step.clock for step in self.steps)


def of_bundle(bundle: manifest.Manifest) -> Card:
    """Return the card that fits a bundle whose data has columns named as the bundle's inputs and outputs."""
    return Card(
        name=bundle.name,
        version=bundle.version,
        period=Seconds(bundle.period),
        inputs=[Input(name=i.name) for i in bundle.inputs],
        constants=[Constant(name=c.name) for c in bundle.constants],
        steps=bundle.steps,
        time=CLOCK,
        outputs=[Output(name=o.name, kind=o.kind) for o in bundle.outputs],
    )
