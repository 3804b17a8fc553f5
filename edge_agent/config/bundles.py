"""Which bundle a machine runs: a file beside the configuration, or the active version of a name."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import bundle as files
from edge_agent.bundle import Bundle, BundleError, Known
from edge_agent.bundles.store import Store, StoreError
from edge_agent.config.fields import Place
from edge_agent.config.schema import MachineTable
from edge_agent.core.manifest import SCHEMA, Input, InputTensor, Manifest, Model, Origin, Output, OutputTensor


class Bundles:
    """Finds bundles. `trust` is the folder of trusted keys; for the rest see `config.load`."""

    def __init__(
        self, state: Path, trust: Path | None, instead: Mapping[str, Path], *, lenient: bool
    ) -> None:
        self._state, self._trust = state, trust
        self._instead, self._lenient = instead, lenient
        self.warnings: list[str] = []

    def of(self, table: MachineTable, scans: Sequence[float], place: Place) -> tuple[Bundle, Path] | None:
        """Return a machine's bundle and where it is from, or None once it was told what is wrong.

        `scans` are the periods of the machine's inputs, in seconds.
        """
        try:
            if table.bundle.endswith(".bundle"):
                return self._read(place.file.parent / table.bundle)
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
        return absent(table, float(max(scans, default=1.0))), store.folder

    def _read(self, path: Path) -> tuple[Bundle, Path]:
        bundle = files.read(path)
        if self._trust is not None:
            # Imported here because it costs a third of a second, which only those pay who ask for it.
            from edge_agent.trust import Untrusted, signer  # noqa: PLC0415

            try:
                signer(bundle, self._trust)
            except Untrusted as error:
                raise BundleError(f"{path}: {error}") from None
        return bundle, path


def absent(table: MachineTable, period: float) -> Bundle:
    """Return what a machine without a model has for one: its inputs are read, and its PLC is told FAULT."""
    names = list(table.inputs) or ["none"]
    manifest = Manifest(
        schema=SCHEMA,
        name=table.bundle,
        version="none",
        sequence=0,
        inputs=[Input(name=name, min=0, max=0, mean=0, std=0) for name in names],
        period=period,
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
