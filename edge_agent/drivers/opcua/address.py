"""Addresses of OPC UA values as people write them. Without an OPC UA stack, so that `check` is quick."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from uuid import UUID

Identifier = int | str | UUID | bytes
Namespace = int | str
"""An index, or a URI whose index has to be asked for on every connection."""
Field = tuple[str | int, ...]
"""The way into a value: names of structure fields, and indices into arrays, which count from 0."""

_TEXT = re.compile(
    r"(?:ns=(?P<index>[0-9]+);|nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL
)
_STEP = re.compile(r"/(?:(?P<index>[0-9]+):|nsu=(?P<uri>[^;]+);)?(?P<name>(?:&.|[^/&])+)", re.DOTALL)
_FIELD = re.compile(r"\[(?P<index>[0-9]+(?:,[0-9]+)*)\]|(?:^|(?<=[^.])\.)(?P<name>[^.\[\]]+)")
_FORMS = (
    "write ns=2;s=Name, ns=2;i=5, i=2258, nsu=urn:some:uri;s=Name, g= (a GUID) or b= (base64) for s=, "
    "or a browse path such as /Objects/2:Press/2:Vibration"
)


@dataclass(frozen=True, slots=True)
class NodeId:
    """A node by its id (Part 3, 8.2).

    The type of `identifier` is its kind: int for ``i=``, str for ``s=``, UUID for ``g=``, bytes for ``b=``.
    """

    namespace: Namespace
    identifier: Identifier

    def __str__(self) -> str:
        match self.identifier:
            case int():
                text = f"i={self.identifier}"
            case str():
                text = f"s={self.identifier}"
            case UUID():
                text = f"g={self.identifier}"
            case bytes():
                text = f"b={b64encode(self.identifier).decode()}"
        if isinstance(self.namespace, str):
            return f"{_uri(self.namespace)}{text}"
        return f"ns={self.namespace};{text}" if self.namespace else text


@dataclass(frozen=True, slots=True)
class BrowsePath:
    """A node by the browse names that lead to it from the Root folder (Part 4, 7.30)."""

    steps: tuple[tuple[Namespace, str], ...]

    def __str__(self) -> str:
        return "".join(f"/{_prefix(namespace)}{_escaped(name)}" for namespace, name in self.steps)


@dataclass(frozen=True, slots=True)
class Monitored:
    """The server tells every `period`, in s, of a change by more than `deadband`, in raw units.

    It looks every `sampling`, in s, 0 for as often as it can, and keeps the newest `queue` values; a
    `sampling` of None is the period.
    """

    period: float
    deadband: float = 0.0
    sampling: float | None = None
    queue: int = 1


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a tag's value is: a node, and inside of it a field. One that is not `monitored` is read."""

    node: NodeId | BrowsePath
    field: Field = ()
    monitored: Monitored | None = None

    @property
    def is_inside(self) -> bool:
        """Whether it is a field of a structure."""
        return any(isinstance(part, str) for part in self.field)

    def __str__(self) -> str:
        return f"{self.node} {field_text(self.field)}" if self.field else str(self.node)


def parse_address(text: str, field: str = "", monitored: Monitored | None = None) -> NodeAddress:
    """Read a node id (Part 6, 5.3.1.10), ``nsu=`` as of an expanded one (5.3.1.11), or a browse path.

    A string identifier is everything behind ``s=``, brackets, semicolons and blanks too: that is why a field
    is a text of its own, such as ``[3]`` or ``Motor.Current``. In a browse path ``&`` stands before a ``/``
    or ``&`` that belongs to a name (Part 4, A.2).

    Raises:
        ValueError: with a sentence that says what to write instead.
    """
    node = _browse_path(text) if text.startswith("/") else _node_id(text)
    return NodeAddress(node, _field(field), monitored)


def below(text: str, name: str) -> NodeId | BrowsePath:
    """Return the node of a member: ``<id>.<name>`` of a string id, one step more of a browse path.

    Raises:
        ValueError: the text is neither.
    """
    match parse_address(text).node:
        case BrowsePath(steps):
            return BrowsePath((*steps, (steps[-1][0], name)))
        case NodeId(namespace, str(identifier)):
            return NodeId(namespace, f"{identifier}.{name}")
    raise ValueError(f"{text!r} has no members: write nsu=some:uri;s=Result or a browse path")


def field_text(field: Field) -> str:
    """Return the text form of a field."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return text.removeprefix(".")


def _node_id(text: str) -> NodeId:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an OPC UA node id: {_FORMS}")
    namespace = _namespace(text, match["index"], match["uri"])
    return NodeId(namespace, _identifier(text, match["kind"], match["identifier"]))


def _browse_path(text: str) -> BrowsePath:
    steps, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is not a browse path from {text[at:]!r} on: {_FORMS}")
        name = re.sub(r"&(.)", r"\1", match["name"], flags=re.DOTALL)
        steps.append((_namespace(text, match["index"], match["uri"]), name))
        at = match.end()
    return BrowsePath(tuple(steps))


def _namespace(text: str, index: str | None, uri: str | None) -> Namespace:
    if uri:
        return uri.replace("%3B", ";").replace("%25", "%")
    if int(index or 0) > 0xFFFF:
        raise ValueError(f"{text!r}: a namespace index is at most 65535")
    return int(index or 0)


def _field(text: str) -> Field:
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None:
            raise ValueError(f"field {text!r} is not like [3], Current, Motor.Current or Axes[2].Speed")
        parts += [match["name"]] if match["name"] else [int(i) for i in match["index"].split(",")]
        at = match.end()
    return tuple(parts)


def _identifier(text: str, kind: str, identifier: str) -> Identifier:
    match kind:
        case "i":
            if not (identifier.isascii() and identifier.isdigit() and int(identifier) <= 0xFFFF_FFFF):
                raise ValueError(f"{text!r}: what follows i= is a whole number from 0 to 4294967295")
            return int(identifier)
        case "s":
            return identifier
        case "g":
            try:
                return UUID(identifier)
            except ValueError:
                raise ValueError(
                    f"{text!r}: what follows g= is a GUID like 09087e75-8e5e-499b-954f-f2a9603db28a"
                ) from None
        case _:
            try:
                return b64decode(identifier, validate=True)
            except ValueError:
                raise ValueError(f"{text!r}: what follows b= is base64, like M/RbKBsRVkePCg==") from None


def _uri(uri: str) -> str:
    return f"nsu={uri.replace('%', '%25').replace(';', '%3B')};"


def _prefix(namespace: Namespace) -> str:
    if isinstance(namespace, str):
        return _uri(namespace)
    return f"{namespace}:" if namespace else ""


def _escaped(name: str) -> str:
    # A name that looks like it had a namespace gets one.
    text = re.sub(r"([&/])", r"&\1", name)
    return text if not re.match(r"[0-9]+:|nsu=", text) else f"&{text}"
