"""What a bundle promises: the contract between the converter that writes it and the agent that obeys."""

import math
from typing import Literal

import msgspec

SCHEMA = 1


class ManifestError(ValueError):
    """A manifest that cannot be obeyed; the text says which key and what to do."""


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of the model's window, in engineering units.

    `min`, `max`, `mean` and `std` are those of the training data.
    """

    name: str
    unit: str = ""
    min: float
    max: float
    mean: float
    std: float


class Affine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="affine"):
    """Scale each input: ``(x - offset) / scale``, column by column. Standardises or divides by a maximum."""

    offset: list[float]
    scale: list[float]


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model's answer means.

    probability: the first element of the output, 0..1. value: the first element times `scale` plus
    `offset`, in `unit`. reconstruction_error: the mean squared difference of output and model input.
    """

    name: str
    kind: Literal["probability", "value", "reconstruction_error"]
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alarm limits on the score. ``on - off`` is the hysteresis; the delays are in seconds."""

    on: float
    off: float
    on_delay: float = 0.0
    off_delay: float = 0.0


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TFLite part. `input_shape` and `output_shape` are those of the graph, batch 1 included.

    `tolerance` is the largest difference to the known answers that this model may show on another
    processor, in the units of its output.
    """

    recipe: str
    input_shape: list[int]
    output_shape: list[int]
    tolerance: float


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the bundle comes from: tool versions, and SHA-256 of the model and data it was made of."""

    converter: str
    tools: dict[str, str]
    model_sha256: str
    data_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a model but its weights. `period` and `max_gap` are seconds, `window` is rows."""

    schema: int
    name: str
    version: str
    inputs: list[Input]
    period: float
    window: int
    max_gap: float
    steps: list[Affine]
    output: Output
    limits: Limits | None
    model: Model
    origin: Origin
    parts: dict[str, str]
    """SHA-256 of every other part of the bundle, by name."""


def parse(text: bytes) -> Manifest:
    """Read and check a manifest. Raises `ManifestError`."""
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"manifest.json: {error}") from None
    problems = _problems(manifest)
    if problems:
        raise ManifestError("manifest.json: " + "; ".join(problems))
    return manifest


def _problems(manifest: Manifest) -> list[str]:
    found: list[str] = []
    width = len(manifest.inputs)
    names = [i.name for i in manifest.inputs]
    elements = math.prod(manifest.model.input_shape)
    if manifest.schema != SCHEMA:
        found.append(f"schema {manifest.schema} is not {SCHEMA}: use an agent of the bundle's age")
    if width == 0 or len(set(names)) != width:
        found.append("inputs: at least one, each with a name of its own")
    if not 1 <= manifest.window <= 100_000:
        found.append(f"window {manifest.window}: 1 to 100000 rows")
    if not manifest.period > 0:
        found.append(f"period {manifest.period}: must be more than 0 s")
    if not manifest.max_gap >= 0:
        found.append(f"max_gap {manifest.max_gap}: must not be negative")
    found += _model_problems(manifest.model)
    if elements != manifest.window * width:
        found.append(
            f"model.input_shape {manifest.model.input_shape} has {elements} elements, "
            f"window x inputs is {manifest.window} x {width}"
        )
    if any(len(s.offset) != width or len(s.scale) != width or 0.0 in s.scale for s in manifest.steps):
        found.append(f"steps: affine needs {width} offsets and {width} scales, none of them 0")
    if manifest.output.kind == "reconstruction_error" and elements != math.prod(manifest.model.output_shape):
        found.append("output: a reconstruction needs as many outputs as inputs")
    limits = manifest.limits
    if limits and not (limits.off <= limits.on and limits.on_delay >= 0 and limits.off_delay >= 0):
        found.append("limits: off must not be above on, delays must not be negative")
    return found


def _model_problems(model: Model) -> list[str]:
    found: list[str] = []
    for key, shape in (("input_shape", model.input_shape), ("output_shape", model.output_shape)):
        if shape[:1] != [1] or min(shape) < 1:
            found.append(f"model.{key} {shape}: must begin with batch 1, every length at least 1")
    if not model.tolerance >= 0:
        found.append(f"model.tolerance {model.tolerance}: must not be negative")
    return found
