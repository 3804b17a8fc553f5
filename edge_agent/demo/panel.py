"""The panel beside the machine: a Modbus client that shares no code with the agent's.

It reads the plant's signals and the result block as the PLC holds them, and turns the knob that lets a
bearing wear.
"""

from typing import Self

import msgspec
from pymodbus.client import ModbusTcpClient

from edge_agent.plant.faults import FaultKind
from edge_agent.plant.plc import Result, read_result
from edge_agent.plant.registers import POINT, RESULT_WORDS, SIGNAL_POINTS, decode

_RESULT = POINT["result_layout"].address
_FAULT = POINT["fault_code"].address


class PanelFailed(Exception):
    """The PLC does not answer the panel."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the PLC holds at one moment. `result` is None while its block proves nothing."""

    signals: dict[str, float]
    units: dict[str, str]
    agent_state: int
    lamp: bool
    words: list[int]
    result: Result | None


class Panel:
    """A connection to the plant's PLC on this machine."""

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)

    def __enter__(self) -> Self:
        if not self._client.connect():
            raise PanelFailed("the plant's PLC does not accept the panel")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def look(self) -> Look:
        """Read everything that the panel shows. Raises `PanelFailed`."""
        inputs = self._read("input", 0, 13)
        agent_state, _, lamp = self._read("input", POINT["agent_state"].address, 3)
        words = self._read("holding", _RESULT, RESULT_WORDS)
        signals = {p.name: decode(p, inputs[p.address : p.address + p.words]) for p in SIGNAL_POINTS}
        return Look(
            signals=signals,
            units={p.name: p.unit for p in SIGNAL_POINTS},
            agent_state=agent_state,
            lamp=bool(lamp),
            words=words,
            result=read_result(words),
        )

    def wear_the_bearing(self, seconds: int) -> None:
        """Let a bearing wear out within `seconds`. Raises `PanelFailed`."""
        if self._client.write_registers(_FAULT, [FaultKind.BEARING_WEAR, seconds]).isError():
            raise PanelFailed("the plant refuses the fault")

    def _read(self, table: str, start: int, count: int) -> list[int]:
        read = self._client.read_input_registers if table == "input" else self._client.read_holding_registers
        reply = read(start, count=count)
        if reply.isError() or len(reply.registers) != count:
            raise PanelFailed(f"the plant's PLC answers {reply}")
        return list(reply.registers)
