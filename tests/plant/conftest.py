"""What several of the plant's tests need: frames as an agent writes them, and a served plant."""

import struct
from collections.abc import Callable, Iterator

import pytest
from pymodbus.framer import FramerRTU

from edge_agent.plant.process import PlantProcess


def build_frame(
    heartbeat: int = 1,
    sequence: int = 1,
    *,
    state: int = 5,
    alarm: int = 0,
    score: float = 0.25,
    layout: int = 0xEA02,
    again: int | None = None,
    crc: int | None = None,
) -> list[int]:
    body = struct.pack(
        ">6Hff6HIH",
        *(layout, heartbeat, sequence, state, 0, alarm, score, 0.0, 120, 2, 0, 0, 0, 0, 0xCAFE0001),
        sequence if again is None else again,
    )
    swapped = FramerRTU.compute_CRC(body)  # low byte first, as it goes on the wire
    right = (swapped & 0xFF) << 8 | swapped >> 8
    return [*struct.unpack(">19H", body), right if crc is None else crc]


@pytest.fixture
def frame() -> Callable[..., list[int]]:
    return build_frame


@pytest.fixture(scope="module")
def plant() -> Iterator[PlantProcess]:
    with PlantProcess("--seed", "3", "--heartbeat-timeout", "1.0") as process:
        yield process
