"""Frames between the agent and its inference child: a header, then raw bytes, native byte order.

A request is LOAD (one line of JSON with the shapes of the inputs, those of the outputs and the largest
batch, then the model) or RUN (packed inputs, float32). The reply to LOAD is the runtime's name, to RUN the
packed answers, or either is ERROR with a text. One request at a time; a child that missed its deadline is
killed, so no late reply can be taken for a newer one.
"""

import socket
import struct
from enum import IntEnum

HEADER = struct.Struct("=II")
"""Kind, and length of the body in bytes."""
LONGEST = 512 * 1024 * 1024


class Kind(IntEnum):
    """What a frame holds."""

    LOAD = 1
    RUN = 2
    ERROR = 3


class WireError(Exception):
    """The other side closed the socket or sent what is no frame."""


def send(sock: socket.socket, kind: Kind, body: bytes) -> None:
    """Send a frame on a blocking socket. Raises OSError."""
    sock.sendall(HEADER.pack(kind, len(body)) + body)


def receive(sock: socket.socket) -> tuple[Kind, bytearray]:
    """Receive a frame from a blocking socket. Raises `WireError`."""
    kind, length = parse(_exactly(sock, HEADER.size))
    return kind, _exactly(sock, length)


def parse(header: bytes | bytearray) -> tuple[Kind, int]:
    """Return kind and body length. Raises `WireError`."""
    kind, length = HEADER.unpack(header)
    if kind not in Kind.__members__.values() or length > LONGEST:
        raise WireError(f"not a frame: kind {kind}, {length} bytes")
    return Kind(kind), length


def _exactly(sock: socket.socket, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = sock.recv_into(view)
        if count == 0:
            raise WireError("closed")
        view = view[count:]
    return buffer
