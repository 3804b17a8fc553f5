"""What the card and the training data say about a bundle: ranges, scaling, fingerprints."""

import hashlib
from pathlib import Path

from converter.card import Card
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.job import Recipe
from converter.table import Floats
from edge_agent.core import manifest


def draft(card: Card, data: Dataset, recipe: Recipe, origin: manifest.Origin) -> manifest.Manifest:
    """Return all of the manifest but what only the converted model can tell. Raises `ConverterError`."""
    training = data.rows[: card.train_rows]
    described = inputs(card, training)
    return manifest.Manifest(
        schema=manifest.SCHEMA,
        name=card.name,
        version=card.version,
        inputs=described,
        period=float(card.period),
        window=card.window,
        max_gap=float(card.max_gap),
        steps=steps(card, described),
        output=output(card, data, len(training)),
        limits=limits(card),
        model=manifest.Model(recipe=recipe, input_shape=[], output_shape=[], tolerance=0.0),
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


def output(card: Card, data: Dataset, training_rows: int) -> manifest.Output:
    """Return what the answer means, the target's maximum computed if the card asks for it."""
    o = card.output
    scale = o.scale
    if o.divide_by_max:
        assert data.target is not None
        scale = float(data.target[:training_rows].max())
        if scale == 0:
            raise ConverterError(f"output: the maximum of column {o.source!r} is 0; give output.scale")
    return manifest.Output(name=o.name, kind=o.kind, unit=o.unit, scale=scale, offset=o.offset)


def limits(card: Card) -> manifest.Limits | None:
    """Return the alarm limits, if the card has any."""
    given = card.limits
    if given is None:
        return None
    return manifest.Limits(
        on=given.on,
        off=given.off,
        on_delay=float(given.on_delay),
        off_delay=float(given.off_delay),
    )


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
