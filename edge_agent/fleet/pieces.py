"""A file on the broker: cut into pieces, and fetched piece by piece, each checked before the next."""

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec
from aiomqtt import Client

from edge_agent.fleet.documents import LARGEST_PACKET, BadDocument, File, decoded, topic
from edge_agent.fleet.operator import NotNow

PIECE = 128 * 1024
"""Bytes of a piece: no broker refuses it, and it passes a slow line within a keepalive."""
PIECE_DEADLINE = 60.0
"""Seconds that a piece may take."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of a file: its size in bytes, and the SHA-256 of every piece."""

    size: int
    pieces: list[str]


def digest(data: bytes | bytearray) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def cut(data: bytes) -> tuple[File, bytes, Sequence[bytes]]:
    """Cut a file: what an order says of it, its encoded index, its pieces."""
    pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    index = msgspec.json.encode(Index(size=len(data), pieces=[digest(piece) for piece in pieces]))
    return File(sha256=digest(data), index=digest(index)), index, pieces


def index_of(data: bytes, file: File, largest: int) -> Index:
    """Read the index that was promised, of a file of at most `largest` bytes. Raises `BadDocument`."""
    if digest(data) != file.index:
        raise BadDocument("the index is not the one that was signed for")
    index = decoded(data, Index)
    if not 0 < index.size <= largest or len(index.pieces) != -(-index.size // PIECE):
        raise BadDocument(f"the index speaks of {index.size} bytes in {len(index.pieces)} pieces")
    return index


class Fetcher:
    """Asks the broker for one retained message at a time. What nobody asked for is let go at once."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._wanted = ""
        self._found: asyncio.Future[bytes] | None = None

    def arrived(self, where: str, payload: bytes) -> None:
        """Take a message of the broker's."""
        if self._found is not None and not self._found.done() and where == self._wanted:
            self._found.set_result(payload)

    async def fetch(self, client: Client, file: File, largest: int) -> bytes:
        """Return a file of at most `largest` bytes. Raises `BadDocument`, `NotNow`, MqttError."""
        index = index_of(await self._message(client, file, "index"), file, largest)
        data = bytearray()
        for number, expected in enumerate(index.pieces):
            piece = await self._message(client, file, number)
            if digest(piece) != expected:
                raise BadDocument(f"piece {number} of {len(index.pieces)} is not the one that was signed for")
            data += piece
        if digest(data) != file.sha256:
            raise BadDocument("the pieces are not the file that was signed for")
        return bytes(data)

    async def _message(self, client: Client, file: File, what: str | int) -> bytes:
        where = self._wanted = topic(self._group, "file", file.sha256, what)
        self._found = asyncio.get_running_loop().create_future()
        await client.subscribe(where, qos=1)
        try:
            async with asyncio.timeout(PIECE_DEADLINE):
                return await self._found
        except TimeoutError:
            raise NotNow(f"the broker has no {where} of at most {LARGEST_PACKET} bytes") from None
        finally:
            self._found = None
            await client.unsubscribe(where)
