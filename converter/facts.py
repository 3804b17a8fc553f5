"""What the card and the training data say about a bundle: ranges, scaling, fingerprints."""

import hashlib
from pathlib import Path

import msgspec

from converter import fitting
from converter.card import Card, Output
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.table import Floats
from edge_agent.core import manifest
from edge_agent.core.preparation import Preparation
from edge_agent.core.steps import StepError


def draft(card: Card, data: Dataset, origin: manifest.Origin) -> manifest.Manifest:
    """Return what can be said before the model is known: it has no outputs, and takes the window as it is.

    Raises `ConverterError`.
    """
    described, constants = inputs(card, data.rows[: card.train_rows])
    bare = manifest.Manifest(
        schema=manifest.SCHEMA,
        name=card.name,
        version=card.version,
        sequence=card.sequence,
        inputs=described,
        period=float(card.period),
        window=card.window,
        max_gap=float(card.max_gap),
        steps=card.steps,
        outputs=[],
        model=manifest.Model(recipe="", inputs=[], outputs=[], ops=[]),
        origin=origin,
        parts={},
        constants=constants,
        min_good=card.min_good,
    )
    training = [data.rows[run.start : min(run.stop, card.train_rows or run.stop)] for run in data.runs]
    found = fitting.fit(card.steps, bare.columns, [rows for rows in training if len(rows)], bare.period)
    fitted = msgspec.structs.replace(bare, steps=found)
    features = _features(fitted)
    whole = manifest.InputTensor(name="window", shape=[1, card.window, len(features)], columns=list(features))
    return msgspec.structs.replace(fitted, model=msgspec.structs.replace(bare.model, inputs=[whole]))


def _features(fitted: manifest.Manifest) -> tuple[str, ...]:
    try:
        return Preparation(fitted).features
    except StepError as error:
        raise ConverterError(f"the card's {error}") from None


def inputs(card: Card, training: Floats) -> tuple[list[manifest.Input], list[manifest.Input]]:
    """Describe inputs and constants by the columns of float64[n, columns] of training rows."""
    columns = list(training.T)
    found = [
        msgspec.structs.replace(
            _described(i.name, i.unit, column),
            fill=i.fill,
            max_age=None if i.max_age is None else float(i.max_age),
        )
        for i, column in zip(card.inputs, columns, strict=False)
    ]
    beside = zip(card.constants, columns[len(found) :], strict=False)
    return found, [_described(c.name, c.unit, column) for c, column in beside]


def _described(name: str, unit: str, column: Floats) -> manifest.Input:
    return manifest.Input(
        name=name,
        unit=unit,
        min=float(column.min()),
        max=float(column.max()),
        mean=float(column.mean()),
        std=float(column.std()),
    )


def in_engineering_units(card: Card, data: Dataset, fitted: manifest.Manifest) -> list[Output]:
    """Return the card's outputs with the scale of each, computed where the card asks for it.

    `fitted` has the steps. Raises `ConverterError`.
    """
    return [_in_engineering_units(output, card, data, fitted) for output in card.outputs]


def _in_engineering_units(o: Output, card: Card, data: Dataset, fitted: manifest.Manifest) -> Output:
    if o.divide_by_max:
        scale = float(data.targets[o.name][: card.train_rows].max())
        if scale == 0:
            raise ConverterError(
                f"output {o.name!r}: the maximum of column {o.source!r} is 0; give its scale"
            )
        return msgspec.structs.replace(o, scale=scale)
    if o.kind != "forecast":
        return o
    unit = o.unit or next(i.unit for i in card.inputs if i.name == o.of)
    if o.scale is not None or o.offset is not None or not fitted.steps:
        return msgspec.structs.replace(o, unit=unit)
    back = fitting.line(fitted.steps, fitted.columns, o.of, fitted.period)
    if back is None:
        raise ConverterError(
            f"output {o.name!r}: the steps make more than a straight line of {o.of!r}, so the unit of its "
            "forecast is not clear; give scale and offset"
        )
    return msgspec.structs.replace(o, unit=unit, scale=back[0], offset=back[1])


def fingerprint(path: Path, *beside: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a directory.

    With files beside it, return that of all their fingerprints.
    """
    if beside:
        each = "".join(fingerprint(part) for part in (path, *beside))
        return hashlib.sha256(each.encode()).hexdigest()
    if path.is_file():
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(fingerprint(file).encode())
    return digest.hexdigest()
