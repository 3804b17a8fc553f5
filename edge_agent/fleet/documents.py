"""What office and gateways tell each other: signed orders down, reports up, bundles in pieces.

    edge-agent/GROUP/desired/GATEWAY          `Envelope` around a `Desired`
    edge-agent/GROUP/reported/GATEWAY         `Reported`
    edge-agent/GROUP/bundle/SHA256/index      `Index`
    edge-agent/GROUP/bundle/SHA256/NUMBER     a piece

All are retained. GROUP is that of ``[mqtt]``, GATEWAY its node.
"""

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.bundle import LARGEST
from edge_agent.trust import Untrusted, vouches

PIECE = 128 * 1024
"""Bytes of a piece: no broker refuses it, and it passes a slow line within a keepalive."""
LARGEST_DOCUMENT = 1_000_000
S = TypeVar("S", bound=msgspec.Struct)

Do = Literal["activate", "candidate"]
Stage = Literal["none", "fetching", "installing", "trial", "candidate", "done", "refused", "rolled back"]
"""How far a gateway is with what it was told last. The last three are ends; so is ``candidate``, for now."""


class BadDocument(Exception):
    """It cannot be read, or nobody whom we trust has signed it. The text says which."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of a bundle file: its size in bytes, and the SHA-256 of every piece."""

    size: int
    pieces: list[str]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle: which it is, the SHA-256 of its file, and that of its index."""

    name: str
    sequence: int
    sha256: str
    index: str


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway is to run. A gateway obeys the highest `number` and never goes back to a lower one."""

    gateway: str
    number: int
    do: Do
    bundle: Wanted


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was signed, and the Ed25519 signature (RFC 8032) over `body`."""

    body: bytes
    signature: bytes


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed under a name: sequences, 0 for none. `flips` are a candidate's, a share of cycles."""

    active: int
    committed: bool
    candidate: int
    verdict: str = ""
    """What the canary said when it was installed, and what the candidate has shown since."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of itself. `number` is of what it was told, `time` in seconds since 1970."""

    gateway: str
    group: str
    version: str
    time: float
    number: int = 0
    stage: Stage = "none"
    detail: str = ""
    bundles: dict[str, Version] = {}


def topic(group: str, *parts: str | int) -> str:
    """Return a topic of the fleet."""
    return "/".join(["edge-agent", group, *map(str, parts)])


def digest(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def cut(data: bytes) -> tuple[Index, list[bytes]]:
    """Cut a bundle file into pieces."""
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    return Index(size=len(data), pieces=[digest(piece) for piece in pieces]), pieces


def index_of(data: bytes, wanted: Wanted) -> Index:
    """Read the index that was promised. Raises `BadDocument`."""
    if digest(data) != wanted.index:
        raise BadDocument("the index is not the one that was signed for")
    index = _decode(data, Index)
    if index.size > LARGEST or len(index.pieces) != -(-index.size // PIECE):
        raise BadDocument(f"the index speaks of {index.size} bytes in {len(index.pieces)} pieces")
    return index


def sign(desired: Desired, key: Ed25519PrivateKey) -> bytes:
    """Put a document into a signed envelope."""
    body = msgspec.json.encode(desired)
    return msgspec.json.encode(Envelope(body=body, signature=key.sign(body)))


def opened(data: bytes, keys: Path, gateway: str) -> Desired:
    """Open an envelope for `gateway` that one of the `keys` has signed. Raises `BadDocument`."""
    envelope = _decode(data[:LARGEST_DOCUMENT], Envelope)
    try:
        vouches(envelope.body, envelope.signature, keys)
    except Untrusted as error:
        raise BadDocument(str(error)) from None
    desired = _decode(envelope.body, Desired)
    if desired.gateway != gateway:
        raise BadDocument(f"it is for {desired.gateway}, and this is {gateway}")
    return desired


def reported(data: bytes) -> Reported:
    """Read a report. Raises `BadDocument`."""
    return _decode(data[:LARGEST_DOCUMENT], Reported)


def _decode(data: bytes, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise BadDocument(f"it is no {kind.__name__.lower()} document: {error}") from None
