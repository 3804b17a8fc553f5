"""What office and gateways tell each other: signed orders down, reports up, files in pieces.

    edge-agent/GROUP/desired/GATEWAY/SUBJECT   `Envelope` around a `Desired`, the last of its subject
    edge-agent/GROUP/reported/GATEWAY          `Reported`
    edge-agent/GROUP/file/SHA256/index         `pieces.Index`
    edge-agent/GROUP/file/SHA256/NUMBER        a piece

All are retained. GROUP is that of ``[mqtt]``, GATEWAY its node. A later order of another subject takes
nothing away from an earlier one, so a gateway that was away finds all that it missed.
"""

from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.trust import Untrusted, vouches

LARGEST_DOCUMENT = 200_000
"""Bytes: of an order, a report, or the index of the largest file."""
LARGEST_PACKET = LARGEST_DOCUMENT + 4096
"""Bytes: a gateway asks its broker not to send it anything larger."""
LONGEST_DETAIL = 600
"""Characters that a report says of one order."""
S = TypeVar("S", bound=msgspec.Struct)

Do = Literal["activate", "candidate", "promote"]
CommandName = Literal["rollback", "activate", "stop-writing", "acknowledge"]
Stage = Literal[
    "none", "fetching", "installing", "waiting", "trial", "candidate", "done", "refused", "rolled back"
]
"""How far a gateway is with an order. The last three are ends; so is ``candidate``, for now."""


class BadDocument(Exception):
    """It cannot be read, or nobody whom we trust has signed it. The text says which."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file on the broker: its SHA-256, and that of its index."""

    sha256: str
    index: str


class Bundle(msgspec.Struct, frozen=True, kw_only=True, tag="bundle"):
    """A bundle is to run, or to run beside the active one, or to run if it has shown enough beside it."""

    do: Do
    name: str
    sequence: int
    file: File

    @property
    def subject(self) -> str:
        """What it is about: a later order of the same subject takes its place."""
        return f"bundle/{self.name}"

    def text(self) -> str:
        """The same for a person."""
        return f"{self.do} {self.name}@{self.sequence}"


class Configuration(msgspec.Struct, frozen=True, kw_only=True, tag="configuration"):
    """Links, devices and machines are to be those of this file, a `configurations.Document`."""

    sequence: int
    file: File

    @property
    def subject(self) -> str:
        """See `Bundle`."""
        return "configuration"

    def text(self) -> str:
        """The same for a person."""
        return f"configuration {self.sequence}"


class Command(msgspec.Struct, frozen=True, kw_only=True, tag="command"):
    """Something to be done once, before it `expires` (seconds since 1970).

    `target` is a bundle or a machine, `sequence` the version to leave or to activate, `output` one output of
    a machine or "" for all.
    """

    do: CommandName
    expires: float
    target: str = ""
    sequence: int = 0
    output: str = ""

    @property
    def subject(self) -> str:
        """See `Bundle`."""
        return "/".join(filter(None, ("command", self.do, self.target, self.output)))

    def text(self) -> str:
        """The same for a person."""
        which = f"{self.target}@{self.sequence}" if self.sequence else f"{self.target} {self.output}"
        return f"{self.do} {which}".strip()


What = Bundle | Configuration | Command


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """An order. Of each subject a gateway obeys the highest `number`, and never goes back to a lower one."""

    gateway: str
    number: int
    what: What


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it was signed, and the Ed25519 signature (RFC 8032) over `body`."""

    body: bytes
    signature: bytes


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a gateway is with the order of this `number`."""

    number: int
    stage: Stage
    detail: str = ""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate has shown beside one machine, and what it lacks; nothing if it may be promoted."""

    said: str
    lacks: list[str]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed under a name: sequences, 0 for none."""

    active: int
    committed: bool
    candidate: int
    verdict: str = ""
    """What the canary said when it was installed."""
    shown: dict[str, Shown] = {}
    """What the candidate has shown since, by machine."""
    promotable: bool = False
    """Whether it lacks nothing at any machine."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of itself: `orders` by subject. `time` is in seconds since 1970."""

    gateway: str
    group: str
    version: str
    time: float
    orders: dict[str, Progress] = {}
    bundles: dict[str, Version] = {}
    configuration: int = 0
    """The sequence of the office's configuration that is in force, 0 for the gateway's own."""


def topic(group: str, *parts: str | int) -> str:
    """Return a topic of the fleet."""
    return "/".join(["edge-agent", group, *map(str, parts)])


def sign(desired: Desired, key: Ed25519PrivateKey) -> bytes:
    """Put a document into a signed envelope."""
    body = msgspec.json.encode(desired)
    return msgspec.json.encode(Envelope(body=body, signature=key.sign(body)))


def opened(data: bytes, keys: Path, gateway: str) -> tuple[Desired, str]:
    """Open an envelope for `gateway`; return it and the name of the key that signed. Raises `BadDocument`."""
    envelope = decoded(data, Envelope)
    try:
        signer = vouches(envelope.body, envelope.signature, keys)
    except Untrusted as error:
        raise BadDocument(str(error)) from None
    desired = decoded(envelope.body, Desired)
    if desired.gateway != gateway:
        raise BadDocument(f"it is for {desired.gateway}, and this is {gateway}")
    return desired, signer


def decoded(data: bytes, kind: type[S]) -> S:
    """Read a document. Raises `BadDocument`."""
    if len(data) > LARGEST_DOCUMENT:
        raise BadDocument(f"{len(data)} bytes are too many for a {kind.__name__.lower()} document")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise BadDocument(f"it is no {kind.__name__.lower()} document: {error}") from None
