"""Which bundle a machine runs: a file beside the configuration, or the active version of a name."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import bundle as files
from edge_agent.bundle import Bundle, BundleError, Known
from edge_agent.bundles.store import Store, StoreError
from edge_agent.config.fields import Place
from edge_agent.config.schema import ScannedTag
from edge_agent.config.tables import MachineTable
from edge_agent.core.manifest import (
    SCHEMA,
    Input,
    InputTensor,
    Manifest,
    Model,
    Origin,
    Output,
    OutputTensor,
)


class Bundles:
    """Finds bundles. `trust` is the folder of trusted keys; for the rest see `config.load`."""

    def __init__(
        self, state: Path, trust: Path | None, instead: Mapping[str, Path], *, lenient: bool
    ) -> None:
        self._state, self._trust = state, trust
        self._instead, self._lenient = instead, lenient
        self.warnings: list[str] = []

    def of(self, table: MachineTable, tags: Mapping[str, ScannedTag], place: Place) -> Bundle | None:
        """Return a machine's bundle, or None once it was told what is wrong."""
        try:
            if table.bundle.endswith(".bundle"):
                return self._read(place.home / table.bundle)
            if table.bundle in self._instead:
                return self._read(self._instead[table.bundle])
            store = Store(self._state, table.bundle)
            active = store.read().active
        except (BundleError, StoreError) as error:
            place.wrong(str(error))
            return None
        problem = f"{store.folder}: no version is active; edge-agent bundle activate makes one so"
        try:
            if active:
                return self._read(store.folder / active)
        except BundleError as error:
            problem = str(error)
            if not self._lenient:
                place.wrong(problem)
                return None
        self.warnings.append(f"{place.file}: {place.key}: {problem}; the machine runs without a model")
        return absent(table, tags)

    def candidate(self, table: MachineTable) -> Bundle | None:
        """Return the candidate of a machine's bundle, None if there is none that can be read."""
        if table.bundle.endswith(".bundle") or table.bundle in self._instead:
            return None
        try:
            store = Store(self._state, table.bundle)
            candidate = store.read().candidate
            return self._read(store.folder / candidate) if candidate else None
        except (BundleError, StoreError) as error:
            self.warnings.append(f"the candidate does not run: {error}")
            return None

    def _read(self, path: Path) -> Bundle:
        bundle = files.read(path)
        if self._trust is not None:
            # Imported here because it costs a third of a second, which only those pay who ask for it.
            from edge_agent.trust import Untrusted, signer  # noqa: PLC0415

            try:
                signer(bundle, self._trust)
            except Untrusted as error:
                raise BundleError(f"{path}: {error}") from None
        return bundle


def absent(table: MachineTable, tags: Mapping[str, ScannedTag]) -> Bundle:
    """Return what a machine without a model has for one: its inputs are read, and its PLC is told FAULT."""
    names = _names(table, tags) or ["none"]
    period = max((tags[tag].scan for tag in table.inputs.values() if tag in tags), default=1.0)
    manifest = Manifest(
        schema=SCHEMA,
        name=table.bundle,
        version="none",
        sequence=0,
        constants=[Input(name=name, min=0, max=0, mean=0, std=0) for name in table.constants],
        inputs=[Input(name=name, min=0, max=0, mean=0, std=0) for name in names],
        period=float(period),
        window=1,
        max_gap=0.0,
        steps=[],
        outputs=[Output(name="none", kind="value", tensor="none")],
        model=Model(
            recipe="none",
            inputs=[InputTensor(name="none", shape=[1, len(names)], columns=names)],
            outputs=[OutputTensor(name="none", shape=[1, 1], tolerance=0.0)],
            ops=[],
        ),
        origin=Origin(converter="", tools={}, model_sha256="", data_sha256=""),
        parts={},
    )
    nothing = np.empty((0, 1), np.float32)
    sha256 = hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()
    return Bundle(manifest, b"", Known(np.empty((0, 1, len(names))), nothing, nothing), sha256)


def _names(table: MachineTable, tags: Mapping[str, ScannedTag]) -> list[str]:
    """Return the inputs that are named, each sample of a waveform by itself."""
    names = []
    for name, tag in table.inputs.items():
        samples = sum(known.startswith(f"{tag}[") for known in tags) if tag not in tags else 0
        names += [f"{name}[{i}]" for i in range(samples)] or [name]
    return names
