"""One codec for reading and writing registers.

A byte order is written as the bytes stand on the wire, A being the most significant: ABCD is what the
specification suggests, CDAB has its words swapped, BADC its bytes, DCBA both.
"""

from collections.abc import Sequence
from functools import cached_property

from edge_agent.core.decoder import Decoded, Decoder
from edge_agent.core.encode import Encoder, encoder_of, mask_of
from edge_agent.core.layout import Layout
from edge_agent.core.readplan import Block
from edge_agent.core.registers import Address
from edge_agent.core.tags import Bytes


class Codec:
    """Moves values between float64[n] and a buffer that holds the blocks, see `Layout`."""

    def __init__(self, addresses: Sequence[Address], blocks: Sequence[Block]) -> None:
        self.rows = len(addresses)
        self.layout = Layout(blocks)
        self._addresses = list(addresses)
        self.decoder = Decoder.of(self._addresses, self.layout)

    def decode(self, buffer: Bytes, reason: Bytes) -> Decoded:
        """Decode a buffer, uint8[layout.size + 1], see `Decoder.decode`."""
        return self.decoder.decode(buffer, reason)

    def encode(self, values: Sequence[float | str]) -> list[bytes]:
        """Return the data of each block. Raises ValueError for a value that its type cannot hold."""
        return self._laid_out([encode(value) for encode, value in zip(self._encoders, values, strict=True)])

    def masks(self) -> list[bytes]:
        """Return the bits of each block's data that `encode` sets; the others belong to somebody else."""
        return self._laid_out([mask_of(address) for address in self._addresses])

    def _laid_out(self, carriers: Sequence[bytes]) -> list[bytes]:
        buffer = bytearray(self.layout.size + 1)
        for places, carrier in zip(self._targets, carriers, strict=True):
            if isinstance(places, slice):
                buffer[places] = carrier[::-1]
                continue
            # A carrier with room to spare ends in zeros, which have no place.
            for place, byte in zip(places, carrier, strict=False):
                buffer[place] |= byte
        return self.layout.data(buffer)

    @cached_property
    def _encoders(self) -> list[Encoder]:
        return [encoder_of(address) for address in self._addresses]

    @cached_property
    def _targets(self) -> list[list[int] | slice]:
        return [_target(address, self.layout.index(address).tolist()) for address in self._addresses]


def _target(address: Address, places: list[int]) -> list[int] | slice:
    """Return where a carrier goes; a slice if the most significant byte comes first, as nearly always."""
    falling = places == list(range(places[0], places[-1] - 1, -1))
    whole = address.type != "string" and not address.is_partial
    return slice(places[-1], places[0] + 1) if falling and whole else places
