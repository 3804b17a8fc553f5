"""Releases of the small bundle, each with a sequence of its own."""

from pathlib import Path
from typing import Any

from agent_process import small_bundle

from edge_agent import bundle
from edge_agent.bundles.store import Store


def release(folder: Path, tflite: bytes, sequence: int, **changes: Any) -> Path:
    """Write the small bundle, named pump, as release `sequence`."""
    path = folder / f"pump-{sequence}.bundle"
    small_bundle(path, tflite, **{"name": "pump", "sequence": sequence, **changes})
    return path


def keep(state: Path, path: Path, **options: Any) -> str:
    """Put a bundle into the store without its canary."""
    data = bundle.load(path)
    found = bundle.decode(data, path)
    return Store(state, found.manifest.name).install(data, found, options.pop("signer", ""), "me", **options)
