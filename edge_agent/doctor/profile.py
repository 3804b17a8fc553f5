"""A target profile: how fast a box runs models, as one line to carry to the desk."""

import base64
import binascii
import zlib

import msgspec

from edge_agent.inference.timing import Latency

MARK = "edge1:"
LONGEST = 20_000
"""Characters of a line, and bytes of what it holds."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Times of the reference models on a box, by recipe, or why it refuses one.

    `model` is the SHA-256 of the TFLite file whose own times are `latency`.
    """

    processor: str
    runtime: str
    reference: dict[str, Latency]
    refused: dict[str, str]
    model: str
    latency: Latency

    def line(self) -> str:
        """Return the profile as one line of letters and digits."""
        return MARK + base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(self), 9)).decode()


def parse(line: str) -> Profile:
    """Read a line that `Profile.line` gave. Raises ValueError."""
    text = line.strip()
    if not text.startswith(MARK) or len(text) > LONGEST:
        raise ValueError(f"a target profile begins with {MARK}; edge-agent doctor --bench prints one")
    try:
        packed = base64.urlsafe_b64decode(text.removeprefix(MARK))
        return msgspec.json.decode(zlib.decompressobj().decompress(packed, LONGEST), type=Profile)
    except (binascii.Error, zlib.error, msgspec.DecodeError, UnicodeError):
        raise ValueError("the target profile is damaged; copy the whole line") from None
