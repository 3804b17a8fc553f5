"""An RTU peer of the worst kind: late, twice, to something else, cut, spoiled, by another unit, or right."""

import random
from typing import Protocol

from edge_agent.drivers.modbus.frames.rtu import crc16


class Mouth(Protocol):
    """What a peer speaks through."""

    def say(self, data: bytes, after: float = 0.0) -> None:
        """Put bytes on the line, at once or after some seconds."""
        ...


def rtu(pdu: bytes, unit: int = 1) -> bytes:
    frame = bytes((unit,)) + pdu
    return frame + crc16(frame).to_bytes(2, "little")


def right(request: bytes) -> bytes:
    """The reply of a good device: register n holds n."""
    start, count = int.from_bytes(request[2:4]), int.from_bytes(request[4:6])
    words = b"".join((start + n).to_bytes(2) for n in range(count))
    return rtu(bytes((request[1], len(words))) + words, request[0])


class Treachery:
    """Answers as the dice say. `late`: from when to when; `again`: when the second of two."""

    def __init__(self, dice: random.Random, late: tuple[float, float], again: float = 0.0) -> None:
        self.dice, self.late, self.again = dice, late, again
        self.before = right(rtu(b"\x03\0\0\0\1"))

    def __call__(self, mouth: Mouth, request: bytes) -> None:
        dice, good, before = self.dice, right(request), self.before
        self.before = good
        spoilt = bytearray(good)
        spoilt[dice.randrange(len(good))] ^= 1 << dice.randrange(8)
        lies = [
            b"",
            good + good,
            rtu(good[1:-2], unit=2),
            rtu(b"\x04" + good[2:-2]),
            before[: dice.randrange(len(good))],
            before + good,
            bytes(spoilt),
            rtu(good[1:-4]),
            rtu(bytes((0x83, dice.randrange(1, 12)))),
            dice.randbytes(dice.randrange(1, 300)),
        ]
        luck = dice.random()
        if luck < 0.1:
            mouth.say(good, after=round(dice.uniform(*self.late), 4))
        elif luck < 0.15:
            for n, byte in enumerate(good):
                mouth.say(bytes((byte,)), after=0.0005 * (n + 1))
        elif luck < 0.2 and self.again:
            mouth.say(good)
            mouth.say(good, after=self.again)
        elif luck < 0.45:
            mouth.say(dice.choice(lies))
        else:
            mouth.say(good)
