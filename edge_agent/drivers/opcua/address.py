"""Addresses of OPC UA nodes as people write them. Imports nothing of an OPC UA stack, so `check` is quick."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from uuid import UUID

Identifier = int | str | UUID | bytes

_TEXT = re.compile(
    r"(?:ns=(?P<index>[0-9]+);|nsu=(?P<uri>[^;]+);)?(?P<kind>[isgb])=(?P<identifier>.+)", re.DOTALL
)
_FORMS = "write ns=2;s=Name, ns=2;i=5, i=2258, nsu=urn:some:uri;s=Name, or g= (a GUID) or b= (base64) for s="


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node of an OPC UA server (Part 3, 8.2).

    `namespace` is an index, or a URI whose index has to be asked for on every connection. The type of
    `identifier` is its kind: int for ``i=``, str for ``s=``, UUID for ``g=``, bytes for ``b=``.
    """

    namespace: int | str
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
            return f"nsu={self.namespace.replace('%', '%25').replace(';', '%3B')};{text}"
        return f"ns={self.namespace};{text}" if self.namespace else text


def parse_address(text: str) -> NodeAddress:
    """Read the text form of a node id (Part 6, 5.3.1.10), with ``nsu=`` as of an expanded one (5.3.1.11).

    A string identifier is everything behind ``s=``, semicolons and blanks too.

    Raises:
        ValueError: with a sentence that says what to write instead.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an OPC UA node id: {_FORMS}")
    index, uri = match["index"], match["uri"]
    namespace: int | str = uri.replace("%3B", ";").replace("%25", "%") if uri else int(index or 0)
    if isinstance(namespace, int) and namespace > 0xFFFF:
        raise ValueError(f"{text!r}: a namespace index is at most 65535")
    return NodeAddress(namespace, _identifier(text, match["kind"], match["identifier"]))


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
