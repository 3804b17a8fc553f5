"""The bundle file: one model and all that is promised about it.

A zip archive that any tool opens, its members stored, not compressed, with fixed times, so that the
same content gives the same bytes. The archive's comment is the SHA-256 of every byte before it, so a
single flipped or missing bit anywhere in the file is found before anything in it is used:

    head -c -64 NAME.bundle | sha256sum
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent import durable
from edge_agent.core.manifest import Manifest
from edge_agent.core.parsing import ManifestError, parse
from edge_agent.core.preparation import Preparation
from edge_agent.core.spread import ROWS
from edge_agent.installed import find

MODEL = "model.tflite"
KNOWN_INPUTS, KNOWN_OUTPUTS = "known_inputs.npy", "known_outputs.npy"
KNOWN_ORIGINALS = "known_originals.npy"
KNOWN_SPREAD = "known_spread.npy"
MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
PARTS = (MODEL, KNOWN_INPUTS, KNOWN_OUTPUTS, KNOWN_ORIGINALS)
LARGEST = 256 * 1024 * 1024
_SEAL = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


class BundleError(Exception):
    """A bundle that must not be used; the text names the file and says why."""


@dataclass(frozen=True, slots=True)
class Known:
    """Known answers to k windows.

    `inputs` float64[k, span, columns] are windows in engineering units, before the steps, with the rows
    before them that the steps need, see `edge_agent.core.preparation`. `outputs`
    float32[k, output_size] is what the model answered to each, on the converter's machine, through the same
    code that the agent runs; `originals`, of the same shape, what the unconverted model answered.
    """

    inputs: Floats
    outputs: Floats32
    originals: Floats32
    spread: Floats32 | None = None
    """What the model answered to the first inputs of `edge_agent.core.spread`; None for none."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle in memory."""

    manifest: Manifest
    model: bytes
    known: Known
    sha256: str
    text: bytes = b""
    """The manifest as it stands in the file: what a signature signs."""
    signature: bytes = b""
    """Ed25519 over `text`, 64 bytes, or nothing. `trust` says whether it is worth anything."""

    @property
    def absent(self) -> bool:
        """Whether there is no model, only what a machine needs to say so to its PLC."""
        return not self.model

    @property
    def short_id(self) -> int:
        """The first 32 bits of the SHA-256, which the result block carries; 0 for none."""
        return 0 if self.absent else int(self.sha256[:8], 16)


def read(path: Path) -> Bundle:
    """Read a bundle and verify every byte of it. Raises `BundleError`; runs nothing."""
    return decode(load(path), path)


def load(path: Path) -> bytes:
    """Return what stands in a file that may be a bundle. Raises `BundleError`."""
    try:
        if path.stat().st_size > LARGEST:
            raise BundleError(f"{path}: larger than {LARGEST} bytes, which no bundle is")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from None


def decode(data: bytes, path: Path) -> Bundle:
    """Verify every byte of a bundle that was loaded from `path`. Raises `BundleError`; runs nothing."""
    digest = hashlib.sha256(data[:-_SEAL]).hexdigest()
    if digest.encode() != data[-_SEAL:]:
        raise BundleError(f"{path}: damaged or not a bundle (its SHA-256 does not fit); copy it again")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = _members(archive)
        text, signature = parts.pop(MANIFEST), parts.pop(SIGNATURE, b"")
        manifest = parse(text, find)
        _verify_parts(manifest, parts)
        known = Known(
            _array(parts[KNOWN_INPUTS], np.float64),
            _array(parts[KNOWN_OUTPUTS], np.float32),
            _array(parts[KNOWN_ORIGINALS], np.float32),
            _array(parts[KNOWN_SPREAD], np.float32) if KNOWN_SPREAD in parts else None,
        )
        _verify_known(manifest, known)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"{path}: {error or 'a part is cut off'}") from None
    return Bundle(manifest, parts[MODEL], known, digest, text, signature)


def write(path: Path, manifest: Manifest, model: bytes, known: Known) -> None:
    """Write a bundle atomically; `manifest.parts` is filled in here. Raises OSError."""
    parts = {
        MODEL: model,
        KNOWN_INPUTS: _npy(known.inputs, np.float64),
        KNOWN_OUTPUTS: _npy(known.outputs, np.float32),
        KNOWN_ORIGINALS: _npy(known.originals, np.float32),
    }
    if known.spread is not None:
        parts[KNOWN_SPREAD] = _npy(known.spread, np.float32)
    hashes = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    text = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(manifest, parts=hashes)), indent=2)
    durable.replace(path, _sealed({MANIFEST: text, **parts}))


def add_signature(path: Path, signature: bytes) -> None:
    """Put a signature of the manifest into a bundle, in place of one that is there. Raises `BundleError`."""
    read(path)
    with zipfile.ZipFile(path) as archive:
        members = _members(archive)
    durable.replace(path, _sealed({**members, SIGNATURE: signature}))


def _sealed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), member)
        # The comment's length is part of what is sealed, so it is set before the digest is taken.
        archive.comment = b"0" * _SEAL
    unsealed = buffer.getvalue()[:-_SEAL]
    return unsealed + hashlib.sha256(unsealed).hexdigest().encode()


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Read the members, once it is sure that they are no larger than the file itself."""
    found = archive.infolist()
    names = [member.filename for member in found]
    wanted, optional = (MANIFEST, *PARTS), (KNOWN_SPREAD, SIGNATURE)
    if len(set(names)) < len(names) or not set(wanted) <= set(names) <= {*wanted, *optional}:
        raise ManifestError(f"members: must be {', '.join(wanted)}, and may be {', '.join(optional)}")
    if any(member.compress_type != zipfile.ZIP_STORED for member in found):
        raise ManifestError("members: must be stored, not compressed")
    return {member.filename: archive.read(member) for member in found}


def _verify_parts(manifest: Manifest, parts: dict[str, bytes]) -> None:
    if set(manifest.parts) != set(parts):
        raise ManifestError(f"parts: must be {', '.join(parts)}")
    for name, part in parts.items():
        if hashlib.sha256(part).hexdigest() != manifest.parts[name]:
            raise ManifestError(f"parts: {name} is not the file that the manifest was written for")


def _verify_known(manifest: Manifest, known: Known) -> None:
    k = len(known.inputs)
    if known.inputs.shape != (k, Preparation(manifest).span, len(manifest.columns)) or k == 0:
        raise ManifestError(f"{KNOWN_INPUTS}: shape {known.inputs.shape} does not fit the window")
    for name, answers in ((KNOWN_OUTPUTS, known.outputs), (KNOWN_ORIGINALS, known.originals)):
        if answers.shape != (k, manifest.model.output_size):
            raise ManifestError(f"{name}: shape {answers.shape} does not fit the model")
    spread = known.outputs[:0] if known.spread is None else known.spread
    if spread.shape != (len(spread), manifest.model.output_size) or len(spread) > ROWS:
        raise ManifestError(f"{KNOWN_SPREAD}: shape {spread.shape} does not fit the model")
    if not all(np.isfinite(part).all() for part in (known.inputs, known.outputs, known.originals, spread)):
        raise ManifestError("known answers: NaN or infinity proves nothing")


def _npy(array: npt.NDArray[Any], kind: type[np.floating[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")), allow_pickle=False)
    return buffer.getvalue()


def _array(data: bytes, kind: type[np.floating[Any]]) -> npt.NDArray[Any]:
    array: npt.NDArray[np.generic] = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype != np.dtype(kind).newbyteorder("<"):
        raise ManifestError(f"known answers are {array.dtype}, not {np.dtype(kind)}")
    return array.astype(kind)
