"""Requests to read values, of nodes that are encoded once: asyncua would encode them anew at every scan."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.ua_binary import Primitives, struct_to_binary

_READ = ua.FourByteNodeId(ua.ObjectIds.ReadRequest_Encoding_DefaultBinary)
_HEAD = struct.Struct("<dIi")  # MaxAge, TimestampsToReturn, how many nodes


class Encoded(bytes):
    """What goes on the wire as it is."""


class _AsItIs:
    @staticmethod
    def pack(encoded: Encoded) -> bytes:
        return encoded


# Here asyncua looks, by the name of a type, for how it is encoded.
Primitives.Encoded = _AsItIs


@dataclass(frozen=True, slots=True)
class Wanted:
    """The Value of a node, as a ReadValueId on the wire (OPC 10000-4, 7.29)."""

    node: ua.NodeId
    encoded: bytes


@dataclass(slots=True)
class EncodedRead:
    """A ReadRequest (OPC 10000-4, 5.11.2), in the order of the wire."""

    TypeId: ua.NodeId
    RequestHeader: ua.RequestHeader
    Parameters: Encoded


def wanted(node: ua.NodeId) -> Wanted:
    """Encode the request for a node's value."""
    return Wanted(node, struct_to_binary(ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value)))


def read_request(nodes: Sequence[Wanted]) -> EncodedRead:
    """Return the request for the newest values of nodes with the times of source and server."""
    head = _HEAD.pack(0.0, ua.TimestampsToReturn.Both, len(nodes))
    body = Encoded(head + b"".join([node.encoded for node in nodes]))
    return EncodedRead(_READ, ua.RequestHeader(), body)
