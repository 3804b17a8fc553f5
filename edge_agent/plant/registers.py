"""The PLC's memory map: one table, and how a value becomes words.

Addresses are zero-based wire addresses of unit 1. `python -m edge_agent.plant map` prints the table.
"""

import csv
import io
import struct
from collections.abc import Sequence

import msgspec

UNIT = 1

INPUT = "input"
HOLDING = "holding"
COIL = "coil"
DISCRETE = "discrete"


class Point(msgspec.Struct, frozen=True):
    """One value in the PLC. The engineering value is ``raw * scale``, inside `low`..`high`."""

    name: str
    table: str
    address: int
    type: str
    order: str = ""
    scale: float = 1.0
    unit: str = ""
    low: float = 0.0
    high: float = 65535.0
    text: str = ""

    @property
    def words(self) -> int:
        """How many registers (or bits) the point takes."""
        return 2 if self.type in {"float32", "uint32"} else 1


SIGNAL_POINTS = (
    Point("speed", INPUT, 0, "float32", "ABCD", 1, "rpm", 0, 1800, "shaft speed"),
    Point("load", INPUT, 2, "float32", "ABCD", 1, "%", 0, 150, "shaft power, of rated"),
    Point(
        "vibration", INPUT, 4, "float32", "ABCD", 1, "mm/s", 0, 50, "velocity RMS at the drive-end bearing"
    ),
    Point("bearing_temp", INPUT, 6, "int16", "", 0.1, "degC", -20, 150, "drive-end bearing"),
    Point("motor_temp", INPUT, 7, "int16", "", 0.1, "degC", -20, 180, "motor winding"),
    Point("current", INPUT, 8, "uint16", "", 0.01, "A", 0, 60, "motor current"),
    Point("flow", INPUT, 9, "float32", "CDAB", 1, "m3/h", 0, 100, "discharge flow"),
    Point("pressure", INPUT, 11, "float32", "ABCD", 1, "bar", 0, 10, "discharge pressure"),
)
SIGNALS = tuple(point.name for point in SIGNAL_POINTS)

PLC_POINTS = (
    Point("plc_heartbeat", INPUT, 13, "uint16", text="counts PLC cycles"),
    Point("agent_state", INPUT, 50, "uint16", high=2, text="0 never seen, 1 alive, 2 FALLBACK"),
    Point(
        "heartbeat_age", INPUT, 51, "uint16", unit="ms", text="since the agent's heartbeat moved, saturates"
    ),
    Point("fault_lamp", INPUT, 52, "uint16", high=1, text="the PLC's own decision"),
    Point("accepted_sequence", INPUT, 53, "uint16", text="of the last result the PLC took"),
    Point("fallbacks", INPUT, 54, "uint16", text="how often the agent's heartbeat stopped"),
    Point("running", DISCRETE, 0, "bool", high=1, text="the shaft turns"),
    Point("permissive", DISCRETE, 1, "bool", high=1, text="the rig is commanded to run"),
    Point("lamp_mirror", COIL, 0, "bool", high=1, text="mirrors fault_lamp, read-only"),
    Point("speed_setpoint", HOLDING, 100, "uint16", "", 1, "rpm", 0, 1800, "owned by the PLC and its panel"),
)

RESULT_ADDRESS = 400
RESULT_POINTS = tuple(
    Point(f"result_{name}", HOLDING, RESULT_ADDRESS + offset, type_, text="owned by the agent")
    for name, offset, type_ in (
        ("layout", 0, "uint16"),
        ("heartbeat", 1, "uint16"),
        ("sequence", 2, "uint16"),
        ("state", 3, "uint16"),
        ("reason", 4, "uint16"),
        ("alarm", 5, "uint16"),
        ("score", 6, "float32"),
        ("value", 8, "float32"),
        ("input_age_ms", 10, "uint16"),
        ("input_quality", 11, "uint16"),
        ("reason_1", 12, "uint16"),
        ("reason_2", 13, "uint16"),
        ("reason_3", 14, "uint16"),
        ("denied", 15, "uint16"),
        ("bundle", 16, "uint32"),
        ("sequence_again", 18, "uint16"),
        ("crc", 19, "uint16"),
    )
)
RESULT_WORDS = 20

BENCH_POINTS = (
    Point("fault_code", HOLDING, 900, "uint16", high=4, text="injects a fault; 0 clears it"),
    Point("fault_development", HOLDING, 901, "uint16", unit="s", text="until fully developed; written first"),
    Point("playback_step", HOLDING, 902, "uint16", text="playback by hand: write the next row's number"),
)

PLAYBACK_ROW = Point(
    "playback_row", INPUT, 200, "uint32", high=0xFFFFFFFF, text="row shown; all ones before the first"
)
PLAYBACK_COLUMNS = 25
"""A playback row takes input registers 0..49 at most: the PLC's own words begin at 50."""

POINTS = (*SIGNAL_POINTS, *PLC_POINTS, PLAYBACK_ROW, *RESULT_POINTS, *BENCH_POINTS)
POINT = {point.name: point for point in POINTS}

_FORMAT = {"float32": ">f", "uint32": ">I", "int16": ">h", "uint16": ">H", "bool": ">H"}
_LIMITS = {"uint32": (0, 0xFFFFFFFF), "int16": (-0x8000, 0x7FFF), "uint16": (0, 0xFFFF), "bool": (0, 1)}


def encode(point: Point, value: float) -> list[int]:
    """Return the words of an engineering value. Integers round to nearest and saturate."""
    raw: float = value / point.scale
    if point.type != "float32":
        low, high = _LIMITS[point.type]
        raw = min(max(round(raw), low), high)
    data = struct.pack(_FORMAT[point.type], raw)
    words = list(struct.unpack(f">{len(data) // 2}H", data))
    return words[::-1] if point.order == "CDAB" else words


def decode(point: Point, words: Sequence[int]) -> float:
    """Return the engineering value of `point.words` words: what a client of the PLC computes."""
    ordered = words[::-1] if point.order == "CDAB" else words
    (raw,) = struct.unpack(_FORMAT[point.type], struct.pack(f">{len(ordered)}H", *ordered))
    return float(raw * point.scale)


def quantised(point: Point, value: float) -> float:
    """Return the value as it comes out of the register it was put in."""
    return decode(point, encode(point, value))


def as_csv() -> str:
    """Return the map as CSV, one point a row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("name", "table", "address", "type", "order", "scale", "unit", "low", "high", "text"))
    for point in POINTS:
        writer.writerow(msgspec.structs.astuple(point))
    return out.getvalue()
