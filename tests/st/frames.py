"""Result blocks as an agent writes them, by the agent's own encoder, and what can happen to them."""

import struct

import msgspec

from edge_agent.core.resultblock import FIELDS, ResultBlock, State, crc16, values

CODES = {"uint16": "H", "uint32": "I", "float32": "f"}
EMPTY = [0] * 20
HEALTHY = ResultBlock(
    heartbeat=1,
    sequence=1,
    state=State.ADVISORY,
    reason=0,
    alarm=0,
    score=0.25,
    value=0.25,
    input_age_ms=20,
    input_quality=2,
    denied=1,
    bundle=0xCAFE0001,
)


def frame(heartbeat, sequence, **changes):
    """Return the 20 words of a healthy block with these changes; `value` is the score if not given."""
    changes.setdefault("value", changes.get("score", HEALTHY.score))
    block = msgspec.structs.replace(HEALTHY, heartbeat=heartbeat, sequence=sequence, **changes)
    packed = b"".join(
        struct.pack(">" + CODES[kind], raw if kind == "float32" else int(raw))
        for (_, kind, _), raw in zip(FIELDS, values(block), strict=True)
    )
    return list(struct.unpack(">20H", packed))


def with_words(words, changes):
    """Return the words with others at some offsets, the CRC made right again."""
    changed = [changes.get(offset, word) for offset, word in enumerate(words)]
    return [*changed[:19], crc16(struct.pack(">19H", *changed[:19]))]


def damaged(words, offset=6, mask=0x0100):
    """Return the words with a bit turned over on the way."""
    return [word ^ mask if row == offset else word for row, word in enumerate(words)]
