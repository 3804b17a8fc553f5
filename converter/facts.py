"""What the card and the training data say about a bundle: ranges, scaling, fingerprints."""

import hashlib
from pathlib import Path

import msgspec

from converter.card import Card, Output
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.table import Floats
from edge_agent.core import manifest


def draft(card: Card, data: Dataset, origin: manifest.Origin) -> manifest.Manifest:
    """Return what can be said before the model is known: it has no outputs, and takes the window as it is.

    Raises `ConverterError`.
    """
    described = inputs(card, data.rows[: card.train_rows])
    names = [i.name for i in described]
    whole = manifest.InputTensor(name="window", shape=[1, card.window, len(names)], columns=names)
    return manifest.Manifest(
        schema=manifest.SCHEMA,
        name=card.name,
        version=card.version,
        sequence=card.sequence,
        inputs=described,
        period=float(card.period),
        window=card.window,
        max_gap=float(card.max_gap),
        steps=steps(card, described),
        outputs=[],
        model=manifest.Model(recipe="", inputs=[whole], outputs=[], ops=[]),
        origin=origin,
        parts={},
    )


def inputs(card: Card, training: Floats) -> list[manifest.Input]:
    """Describe each column of float64[n, inputs] of training rows."""
    columns = zip(card.inputs, training.T, strict=True)
    return [
        manifest.Input(
            name=i.name,
            unit=i.unit,
            min=float(c.min()),
            max=float(c.max()),
            mean=float(c.mean()),
            std=float(c.std()),
        )
        for i, c in columns
    ]


def steps(card: Card, described: list[manifest.Input]) -> list[manifest.Affine]:
    """Return the scaling, computed only where the card asks for it. Raises `ConverterError`."""
    if card.steps.affine is not None:
        return [manifest.Affine(offset=card.steps.affine.offset, scale=card.steps.affine.scale)]
    if card.steps.standardise:
        _refuse([i.name for i in described if i.min == i.max], "is constant: its standard deviation is 0")
        return [manifest.Affine(offset=[i.mean for i in described], scale=[i.std for i in described])]
    if card.steps.divide_by_max:
        _refuse([i.name for i in described if i.max == 0], "has the maximum 0")
        return [manifest.Affine(offset=[0.0] * len(described), scale=[i.max for i in described])]
    return []


def _refuse(names: list[str], why: str) -> None:
    if names:
        raise ConverterError(
            f"input {', '.join(names)} {why}; take it out of the model, or give the scaling "
            "of the training script as [steps.affine]"
        )


def in_engineering_units(card: Card, data: Dataset, found: list[manifest.Affine]) -> list[Output]:
    """Return the card's outputs with the scale of each, computed where the card asks for it.

    `found` are the steps. Raises `ConverterError`.
    """
    return [_in_engineering_units(output, card, data, found) for output in card.outputs]


def _in_engineering_units(o: Output, card: Card, data: Dataset, found: list[manifest.Affine]) -> Output:
    if o.divide_by_max:
        scale = float(data.targets[o.name][: card.train_rows].max())
        if scale == 0:
            raise ConverterError(
                f"output {o.name!r}: the maximum of column {o.source!r} is 0; give its scale"
            )
        return msgspec.structs.replace(o, scale=scale)
    if o.kind != "forecast":
        return o
    place = [i.name for i in card.inputs].index(o.of)
    unit = o.unit or card.inputs[place].unit
    if o.scale is not None or o.offset is not None or not found:
        return msgspec.structs.replace(o, unit=unit)
    [step] = found
    return msgspec.structs.replace(o, unit=unit, scale=step.scale[place], offset=step.offset[place])


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
