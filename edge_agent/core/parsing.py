"""A manifest read, and refused if it contradicts itself: every reason at once."""

from collections.abc import Iterator

import msgspec

from edge_agent.core.manifest import SCHEMA, Envelope, InputTensor, Limits, Manifest, Model, Output
from edge_agent.core.preparation import Preparation
from edge_agent.core.steps import CLOCK, LONGEST, Find, StepError, decode, own


class ManifestError(ValueError):
    """A manifest that cannot be obeyed; the text says which key and what to do."""


class _Schema(msgspec.Struct):
    schema: int


def parse(text: bytes, find: Find = own) -> Manifest:
    """Read and check a manifest, whose steps are found by `find`. Raises `ManifestError`."""
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise ManifestError(
                f"manifest.json: schema {schema} is not {SCHEMA}: use an agent of the bundle's age"
            )
        manifest = msgspec.json.decode(text, type=Manifest, dec_hook=decode(find))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"manifest.json: {error}") from None
    problems = list(_problems(manifest))
    if problems:
        raise ManifestError("manifest.json: " + "; ".join(problems))
    return manifest


def _problems(manifest: Manifest) -> Iterator[str]:
    columns = [i.name for i in (*manifest.inputs, *manifest.constants)]
    if not manifest.inputs or _doubled([*columns, CLOCK]):
        yield f"inputs: at least one, each with a name of its own, constants among them, and none {CLOCK}"
    yield from _of_filling(manifest)
    if not 1 <= manifest.window <= 100_000:
        yield f"window {manifest.window}: 1 to 100000 rows"
    if not manifest.period > 0:
        yield f"period {manifest.period}: must be more than 0 s"
    if not manifest.max_gap >= 0:
        yield f"max_gap {manifest.max_gap}: must not be negative"
    if manifest.sequence < 1:
        yield f"sequence {manifest.sequence}: releases count from 1"
    shapes = list(_of_shapes(manifest.model))
    yield from shapes
    try:
        prepare = Preparation(manifest) if manifest.period > 0 else None
    except StepError as error:
        yield str(error)
        prepare = None
    if prepare is not None:
        yield from _of_steps(prepare)
    if prepare is not None and not shapes:
        yield from _of_columns(manifest, prepare)
    if not manifest.outputs or _doubled([o.name for o in manifest.outputs]):
        yield "outputs: at least one, each with a name of its own"
    if manifest.model.state and any(o.kind == "reconstruction_error" for o in manifest.outputs):
        yield "outputs: a model with a state takes one row in a call, so it cannot rebuild a window"
    yield from (f"envelope: {problem}" for problem in _of_envelope(manifest.envelope, manifest))
    for output in manifest.outputs:
        for problem in _of_output(output, manifest):
            yield f"output {output.name}: {problem}"


def _of_envelope(envelope: Envelope | None, manifest: Manifest) -> Iterator[str]:
    if envelope is None:
        return
    width = len(manifest.inputs)
    if {len(envelope.low), len(envelope.high), len(envelope.rate)} != {width}:
        yield f"low, high and rate need {width} numbers each, one for each input"
    if any(low > high for low, high in zip(envelope.low, envelope.high, strict=False)):
        yield "low must not be above high"
    if not envelope.distance > 0 or any(not rate > 0 for rate in envelope.rate if rate is not None):
        yield "distance and rate must be more than 0"
    if envelope.factor and [len(row) for row in envelope.factor] != list(range(1, width + 1)):
        yield f"factor must be lower triangular, of {width} rows"
    if len(envelope.bins) not in (0, width):
        yield f"bins need to be {width}, one for each input, or none"
    if envelope.scores.keys() - {o.name for o in manifest.outputs}:
        yield "scores must name outputs"
    for bins in (*envelope.bins, *envelope.scores.values()):
        if (
            len(bins.shares) != len(bins.edges) + 1
            or bins.edges != sorted(bins.edges)
            or min(bins.shares) < 0
        ):
            yield "edges must ascend, and have one share more, none of them negative"


def _of_shapes(model: Model) -> Iterator[str]:
    for end, tensors in (("inputs", model.inputs), ("outputs", model.outputs)):
        if not tensors or _doubled([t.name for t in tensors]):
            yield f"model.{end}: at least one, each with a name of its own"
        for tensor in tensors:
            if tensor.shape[:1] != [1] or min(tensor.shape) < 1:
                yield (
                    f"model.{end}: {tensor.name} has shape {tensor.shape}, which must begin with batch 1, "
                    "every length at least 1"
                )
    if model.state < 0 or model.batch < 1:
        yield f"model: state {model.state} must be 0 or more, batch {model.batch} 1 or more"
    if model.state and len(model.inputs) != 1:
        yield f"model.inputs: a model with a state takes one, not {len(model.inputs)}"
    for tensor in model.outputs:
        if not tensor.tolerance >= 0:
            yield f"model.outputs: tolerance {tensor.tolerance} of {tensor.name} must not be negative"


def _of_filling(manifest: Manifest) -> Iterator[str]:
    for i in manifest.inputs:
        if i.max_age is not None and not i.max_age > 0:
            yield f"input {i.name}: max_age {i.max_age} must be more than 0 s"
    if any(i.fill != "hold" or i.max_age is not None for i in manifest.constants):
        yield "constants: have neither fill nor max_age"
    if not 0 <= manifest.min_good <= 1:
        yield f"min_good {manifest.min_good}: is a share, 0 to 1"
    if manifest.model.state and (manifest.min_good or any(i.fill != "hold" for i in manifest.inputs)):
        yield "inputs: a model with a state has seen a row before it could be filled; hold, without min_good"


def _of_steps(prepare: Preparation) -> Iterator[str]:
    if prepare.memory > LONGEST:
        yield f"steps: remember {prepare.memory} rows together, more than {LONGEST}"
    if CLOCK in prepare.features:
        yield f"steps: the last one must not pass on {CLOCK}"


def _of_columns(manifest: Manifest, prepare: Preparation) -> Iterator[str]:
    """Check that tensors and window are made of the same numbers, none of which is left out."""
    known, tensors = set(prepare.features), manifest.model.inputs
    used = {column for t in tensors for column in t.columns}
    if used != known or any(not t.columns or _doubled(t.columns) for t in tensors):
        yield "model.inputs: columns must name every input of the window, after the steps, and nothing else"
        return
    for tensor in tensors:
        if not _fits(tensor, manifest.window):
            yield (
                f"model.inputs: {tensor.name} {tensor.shape} has {tensor.elements} elements, "
                f"window x columns is {manifest.window} x {len(tensor.columns)}"
            )
    if all(t.rows < manifest.window for t in tensors):
        yield f"window {manifest.window}: no input tensor takes so many rows"


def _fits(tensor: InputTensor, window: int) -> bool:
    return tensor.elements % len(tensor.columns) == 0 and tensor.rows <= window


def _of_output(output: Output, manifest: Manifest) -> Iterator[str]:
    sizes = {t.name: t.elements for t in manifest.model.outputs}
    rebuilt = {t.name: t.elements for t in manifest.model.inputs}
    size = sizes.get(output.tensor)
    if size is None:
        yield f"the model has no tensor {output.tensor}"
        return
    if not 0 <= output.element < size:
        yield f"element {output.element} is outside of {output.tensor}, which has {size}"
    if output.scale == 0:
        yield "scale must not be 0"
    match output.kind:
        case "reconstruction_error" if rebuilt.get(output.of) != size:
            yield "of must name an input tensor of the model with as many elements"
        case "class":
            if len(output.classes) != size or size < 2 or _doubled(output.classes):
                yield f"classes must name each of the {size} elements, at least 2, once"
            if output.normal and output.normal not in output.classes:
                yield f"normal {output.normal} is not among the classes"
        case "forecast":
            if output.of not in {i.name for i in manifest.inputs}:
                yield "of must name an input"
            if not 1 <= output.horizon <= 100_000:
                yield f"horizon {output.horizon}: 1 to 100000 rows"
    yield from _of_limits(output)


def _of_limits(output: Output) -> Iterator[str]:
    if output.kind == "class" and (output.limits or output.warning) and not output.normal:
        yield "limits need normal, because the score is a class's index without it"
    for key, limits in (("limits", output.limits), ("warning", output.warning)):
        if limits and not _in_order(limits):
            beyond = "below" if limits.when == "below" else "above"
            yield f"{key}: off must not be {beyond} on, delays must not be negative"


def _in_order(limits: Limits) -> bool:
    low, high = (limits.on, limits.off) if limits.when == "below" else (limits.off, limits.on)
    return low <= high and limits.on_delay >= 0 and limits.off_delay >= 0


def _doubled(names: list[str]) -> bool:
    return len(set(names)) != len(names)
