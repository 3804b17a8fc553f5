"""From a trained model, its data and its card to a bundle."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from converter import compare, dataset, facts, gateway, job, known, process
from converter.card import Card
from converter.card import load as load_card
from converter.dataset import Dataset, Floats32
from converter.errors import ConverterError
from converter.job import Recipe
from converter.report import Report
from converter.table import Integers
from edge_agent import __version__, bundle
from edge_agent.core.manifest import Manifest, Origin, parse
from edge_agent.inference.process import InferenceFailed

COMPARED, HELD, CALIBRATING = 1000, 200, 400
FEWEST, FEW = 20, 100
"""Windows: fewer than `FEWEST` cannot calibrate int8, fewer than `FEW` are worth a warning."""


def convert(
    model: Path,
    data: Path,
    card: Path,
    out: Path,
    recipe: Recipe = "dynamic_int8",
    *,
    drop_nan: bool = False,
    max_error: float | None = None,
    deadline: float = process.DEADLINE,
    verbose: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Convert a Keras model to a bundle at `out`, or write nothing.

    `max_error` is a fraction of the output's range and replaces the recipe's own; `deadline` is for
    TensorFlow, in seconds. Raises `ConverterError` (`CardError` for the card) and OSError.
    """
    if not out.absolute().parent.is_dir():
        raise ConverterError(f"{out}: the directory {out.absolute().parent} does not exist")
    if not model.is_file() and not (model / "saved_model.pb").is_file():
        raise ConverterError(
            f"{model}: not a model; a .keras or .h5 file or a SavedModel directory is needed"
        )
    progress("reading the data")
    said = load_card(card)
    rows = dataset.load(data, said, drop_nan, with_target=said.output.divide_by_max)
    draft = facts.draft(said, rows, recipe, _origin(model, data))
    calibrating, compared = _choose(said, rows, recipe)
    asked, calibration = (
        dataset.prepared(draft, dataset.raw_windows(rows.rows, ends, said.window))
        for ends in (compared, calibrating)
    )
    progress("converting with TensorFlow, in a process of its own")
    task = job.Convert(model=str(model.absolute()), recipe=recipe, size=asked.shape[1])
    made, original, tflite = _in_child(task, asked, calibration, deadline, verbose)

    progress("comparing in the gateway's inference process")
    draft = _with_shapes(draft, made)
    known_windows = known.windows(draft, rows, compared, original)
    answers, known_answers = _answer(draft, tflite, asked, known_windows)
    found = compare.compare(recipe, draft.output.kind, original, answers)
    compare.refuse_garbage(recipe, found, max_error)
    finished = _with_tolerance(draft, made, answers)
    bundle.write(out, finished, tflite, known_windows, known_answers)
    return _report(out, made, rows, found, _warnings(finished, rows, made, len(calibrating)))


def _origin(model: Path, data: Path) -> Origin:
    return Origin(
        converter=f"edge-converter {__version__}",
        tools={},
        model_sha256=facts.fingerprint(model),
        data_sha256=facts.fingerprint(data),
    )


def _choose(card: Card, data: Dataset, recipe: Recipe) -> tuple[Integers, Integers]:
    """Return the windows to calibrate with, and those to compare with: others, where there are enough."""
    ends = data.ends(card.window)
    training = ends if card.train_rows is None else ends[ends < card.train_rows]
    calibrating = ends[:0]
    if recipe == "int8":
        if len(training) < FEWEST:
            raise ConverterError(
                f"int8 needs at least {FEWEST} training windows to calibrate, there are {len(training)}; "
                "give more data or use another recipe"
            )
        calibrating = dataset.stratified(data.rows, training, CALIBRATING)
    for pool in (np.setdiff1d(ends, training), np.setdiff1d(ends, calibrating)):
        if len(pool) >= HELD:
            return calibrating, dataset.spread(pool, COMPARED)
    return calibrating, dataset.spread(ends, COMPARED)


def _in_child(
    task: job.Convert, asked: Floats32, calibration: Floats32, deadline: float, verbose: bool
) -> tuple[job.Facts, Floats32, bytes]:
    """Return what the child found out, the original's answers to `asked`, and the TFLite model."""
    with tempfile.TemporaryDirectory(prefix="edge-converter-") as name:
        folder = Path(name)
        np.save(folder / job.WINDOWS, asked)
        np.save(folder / job.CALIBRATION, calibration)
        made = process.do(task, folder, deadline, verbose)
        return made, process.answers(folder), (folder / job.TFLITE).read_bytes()


def _with_shapes(draft: Manifest, made: job.Facts) -> Manifest:
    model = msgspec.structs.replace(draft.model, input_shape=made.input_shape, output_shape=made.output_shape)
    origin = msgspec.structs.replace(draft.origin, tools=made.tools)
    return parse(msgspec.json.encode(msgspec.structs.replace(draft, model=model, origin=origin)))


def _with_tolerance(draft: Manifest, made: job.Facts, answers: Floats32) -> Manifest:
    tolerance = compare.tolerance("int8" in made.weights, draft.output.kind, answers)
    return msgspec.structs.replace(draft, model=msgspec.structs.replace(draft.model, tolerance=tolerance))


def _answer(
    draft: Manifest, tflite: bytes, asked: Floats32, known_windows: Floats32
) -> tuple[Floats32, Floats32]:
    """Return what the gateway's inference child answers to `asked` and to the known windows."""
    everything = np.concatenate([asked, dataset.prepared(draft, known_windows.astype(np.float64))])
    unsealed = bundle.Bundle(draft, tflite, known_windows, known_windows[:0], "")
    try:
        answers = gateway.wait_for(gateway.answer(unsealed, everything))
    except InferenceFailed as error:
        raise ConverterError(f"the gateway cannot run the converted model: {error}") from None
    if not np.isfinite(answers).all():
        raise ConverterError("the converted model answers NaN or infinity to rows within the data's range")
    return answers[: len(asked)], answers[len(asked) :]


def _warnings(manifest: Manifest, data: Dataset, made: job.Facts, calibrated: int) -> list[str]:
    found = [
        f"input {i.name} is always {i.min:g}: the model cannot have learnt from it"
        for i in manifest.inputs
        if i.min == i.max
    ]
    if data.dropped:
        found.append(f"{data.dropped} rows were not finite and were left out")
    if 0 < calibrated < FEW:
        found.append(f"int8 was calibrated with only {calibrated} windows; give {FEW} or more")
    if manifest.model.recipe == "dynamic_int8" and "int8" not in made.weights:
        found.append("no layer has 1024 weights or more, so dynamic_int8 left all of them float32")
    return found


def _report(
    out: Path, made: job.Facts, data: Dataset, found: compare.Comparison, warnings: list[str]
) -> Report:
    written = bundle.read(out)
    return Report(
        bundle=str(out),
        sha256=written.sha256,
        name=written.manifest.name,
        version=written.manifest.version,
        recipe=written.manifest.model.recipe,
        size=out.stat().st_size,
        model_size=len(written.model),
        weights=made.weights,
        rows=len(data.rows),
        rows_dropped=data.dropped,
        comparison=found,
        tolerance=written.manifest.model.tolerance,
        known_answers=len(written.known_inputs),
        warnings=warnings,
    )
