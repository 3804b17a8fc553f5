"""What a bundle promises: the contract between the converter that writes it and the agent that obeys."""

import math
from typing import Literal

import msgspec

from edge_agent.core.fill import Fill
from edge_agent.core.steps.step import CLOCK, Step

SCHEMA = 2

Kind = Literal["probability", "value", "reconstruction_error", "class", "forecast"]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one tag gives, or a constant of the machine, in engineering units.

    `min`, `max`, `mean` and `std` are those of the training data. `fill` says how a gap of up to the bundle's
    `max_gap` is filled once its end is there; until then the last value is held. A value that was read
    more than `max_age` seconds ago is none.
    """

    name: str
    unit: str = ""
    min: float
    max: float
    mean: float
    std: float
    fill: Fill = "hold"
    max_age: float | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alarm limits on a score. `on` and `off` differ by the hysteresis; the delays are in seconds.

    `when` it is at or above `on`, or at or below it: then `off` is the higher of the two.
    """

    on: float
    off: float
    when: Literal["above", "below"] = "above"
    on_delay: float = 0.0
    off_delay: float = 0.0


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one answer of the model means. It is in `tensor`; `element` counts in C order, batch left out.

    probability: the element, 0..1. value: the element times `scale` plus `offset`, in `unit`.
    reconstruction_error: the mean squared difference of the tensor and the model's input tensor `of`.
    class: the probabilities of `classes`; the score is 1 minus that of `normal`, or without one the index of
    the largest. forecast: the element times `scale` plus `offset` is the value of the input `of`, `horizon`
    rows ahead; the score is how far off the forecast for this row was, made `horizon` rows ago.
    """

    name: str
    kind: Kind
    tensor: str
    element: int = 0
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    classes: list[str] = []
    normal: str = ""
    of: str = ""
    horizon: int = 0
    limits: Limits | None = None
    warning: Limits | None = None
    """The limits of a level before the alarm."""
    min: float | None = None
    """The smallest score of the rows held back, on the converter's machine; None if there was none."""
    max: float | None = None


class Tensor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tensor at an end of the graph; the shape has batch 1."""

    name: str
    shape: list[int]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class InputTensor(Tensor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filled in C order with the last rows of the window, of each row the features named in `columns`.

    Features are what the steps make of the inputs.
    """

    columns: list[str]

    @property
    def rows(self) -> int:
        """How many rows of the window it holds."""
        return self.elements // len(self.columns)


class OutputTensor(Tensor, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tolerance` is the largest difference to the known answers that it may show on another processor.

    It is in the tensor's own units.
    """

    tolerance: float


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TFLite part: its tensors in the order of the file, and the names of its operators, sorted.

    A packed input or answer is the tensors of one end, one after the other, as float32.
    """

    recipe: str
    inputs: list[InputTensor]
    outputs: list[OutputTensor]
    ops: list[str]
    state: int = 0
    """Numbers that it keeps of a machine from row to row; 0 for a model of whole windows.

    A graph with a state takes one row, float32[1, 1, columns], and the state before it, float32[1, state]; it
    gives the state after the row behind its answers. A window begins with a state of zeros."""
    batch: int = 1
    """How many packed inputs the runtime may answer in one call, to the bit as one by one."""
    accelerated: bool = False
    """Whether XNNPACK's kernels took a part of the graph where it was converted."""

    @property
    def input_size(self) -> int:
        """Length of a packed input."""
        return sum(t.elements for t in self.inputs)

    @property
    def output_size(self) -> int:
        """Length of a packed answer."""
        return sum(t.elements for t in self.outputs)

    @property
    def ends(self) -> tuple[list[list[int]], list[list[int]]]:
        """Shapes of what the graph takes and gives."""
        inputs, outputs = [t.shape for t in self.inputs], [t.shape for t in self.outputs]
        if not self.state:
            return inputs, outputs
        return [[1, 1, len(self.inputs[0].columns)], [1, self.state]], [*outputs, [1, self.state]]


class Bins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the training rows were distributed: inner `edges` of bins, ascending, and the rows' share in each.

    `hour` and `day` are the largest PSI that an hour and a day of the training rows show against all of them,
    see `edge_agent.core.drift`.
    """

    edges: list[float]
    shares: list[float]
    hour: float = 0.0
    day: float = 0.0


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the training rows were, by input and in engineering units, with a margin.

    `low` and `high` bound the value, `rate` its change per second; None bounds nothing. `distance` bounds the
    length of `factor` times the row, standardised by the inputs' `mean` and `std`: `factor` is the inverse of
    the lower Cholesky factor of their shrunk covariance, without zeros above the diagonal. Without one the
    inputs count as independent. `bins` are those of the inputs, `scores` those of the outputs, by name.
    """

    low: list[float]
    high: list[float]
    rate: list[float | None]
    distance: float
    factor: list[list[float]] = []
    bins: list[Bins] = []
    scores: dict[str, Bins] = {}


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the bundle comes from: tool versions, and SHA-256 of the model and data it was made of."""

    converter: str
    tools: dict[str, str]
    model_sha256: str
    data_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a model but its weights. `period` and `max_gap` are seconds, `window` is rows.

    `sequence` grows with every release of a name. The score of the first output is the machine's. `constants`
    are numbers of the machine that no tag gives. A window counts only if at least the share `min_good` of
    its rows was measured in every input, and not filled.
    """

    schema: int
    name: str
    version: str
    sequence: int
    inputs: list[Input]
    period: float
    window: int
    max_gap: float
    steps: list[Step]
    outputs: list[Output]
    model: Model
    origin: Origin
    envelope: Envelope | None = None
    parts: dict[str, str]
    """SHA-256 of every other part of the bundle, by name."""
    constants: list[Input] = []
    min_good: float = 0.0

    @property
    def columns(self) -> list[str]:
        """The columns of a row before the steps: inputs, constants, the wall time if a step asks for it."""
        clock = [CLOCK] if any(step.clock for step in self.steps) else []
        return [*(i.name for i in (*self.inputs, *self.constants)), *clock]

    @property
    def drifting(self) -> list[str]:
        """The outputs whose distribution in training is known, in the bundle's order."""
        scores = self.envelope.scores if self.envelope else {}
        return [o.name for o in self.outputs if o.name in scores]
