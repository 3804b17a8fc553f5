"""The PLC's box without its network: memory, program and what is wired to it, one cycle at a time."""

from collections.abc import Sequence
from typing import Protocol

from edge_agent.plant.faults import DEFAULT_DEVELOPMENT, Fault, FaultKind
from edge_agent.plant.plc import Decision, Program
from edge_agent.plant.registers import (
    COIL,
    DISCRETE,
    HOLDING,
    INPUT,
    POINT,
    POINTS,
    RESULT_ADDRESS,
    RESULT_WORDS,
    SIGNAL_POINTS,
    Point,
    decode,
    encode,
)
from edge_agent.plant.rig import RATED_SPEED, Rig

RUNNING_ABOVE = 50.0  # rpm


class IllegalValue(Exception):
    """A client wrote something that the PLC does not take: Modbus exception 3."""


class Memory:
    """The PLC's words by table and address. It is the only state the servers show."""

    def __init__(self) -> None:
        self.tables: dict[str, list[int]] = {
            table: [0] * (max(point.address + point.words for point in POINTS if point.table == table))
            for table in (INPUT, HOLDING, COIL, DISCRETE)
        }
        self["speed_setpoint"] = RATED_SPEED
        self["fault_development"] = DEFAULT_DEVELOPMENT

    def put(self, point: Point, value: float) -> None:
        """Store an engineering value."""
        words = encode(point, value)
        self.tables[point.table][point.address : point.address + len(words)] = words

    def get(self, point: Point) -> float:
        """Return an engineering value as a client of the PLC would compute it."""
        return decode(point, self.tables[point.table][point.address : point.address + point.words])

    def __setitem__(self, name: str, value: float) -> None:
        self.put(POINT[name], value)

    def __getitem__(self, name: str) -> float:
        return self.get(POINT[name])

    @property
    def result_block(self) -> list[int]:
        """The agent's 20 words."""
        return self.tables[HOLDING][RESULT_ADDRESS : RESULT_ADDRESS + RESULT_WORDS]

    @result_block.setter
    def result_block(self, words: Sequence[int]) -> None:
        self.tables[HOLDING][RESULT_ADDRESS : RESULT_ADDRESS + RESULT_WORDS] = words


class Source(Protocol):
    """What is wired to the PLC's inputs."""

    points: tuple[Point, ...]
    """The values that the source keeps up to date, for servers that publish them by name."""

    def scan(self, memory: Memory, elapsed: float) -> None:
        """Refresh the inputs in `memory`. Called every PLC cycle; `elapsed` is seconds since the start."""
        ...

    def written(self, memory: Memory, addresses: range) -> None:
        """Hear that a client wrote these holding registers. Raises `IllegalValue` to refuse it."""
        ...


class RigSource:
    """The simulated rig, with its operator panel and its fault injection bench."""

    points: tuple[Point, ...] = SIGNAL_POINTS

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def scan(self, memory: Memory, elapsed: float) -> None:  # noqa: ARG002 - the rig counts its own time
        """Advance the rig by one cycle."""
        self.rig.speed_setpoint = memory["speed_setpoint"]
        signals = self.rig.step()
        for name, value in signals.items():
            memory[name] = value
        memory["running"] = signals["speed"] > RUNNING_ABOVE
        memory["permissive"] = self.rig.speed_setpoint > 0

    def written(self, memory: Memory, addresses: range) -> None:
        """Inject or clear a fault when the bench asks for it. Raises `IllegalValue` on an unknown code."""
        if POINT["fault_code"].address not in addresses:
            return
        code = int(memory["fault_code"])
        if code not in list(FaultKind):
            raise IllegalValue(f"fault code {code}")
        fault = Fault(kind=FaultKind(code), start=self.rig.now, development=memory["fault_development"])
        self.rig.faults = (fault,) if code else ()


class Station:
    """Memory, program and source together."""

    def __init__(self, source: Source, program: Program) -> None:
        self.memory = Memory()
        self.source = source
        self.program = program

    def cycle(self, elapsed: float) -> Decision:
        """Run one PLC cycle: inputs, program, outputs. `elapsed` is monotonic seconds since the start."""
        memory = self.memory
        self.source.scan(memory, elapsed)
        vibration = next((memory.get(p) for p in self.source.points if p.name == "vibration"), 0.0)
        decision = self.program.step(elapsed, memory.result_block, vibration)
        if all(POINT["plc_heartbeat"].address not in span(point) for point in self.source.points):
            memory["plc_heartbeat"] = decision.heartbeat
        memory["agent_state"] = decision.agent_state
        memory["heartbeat_age"] = decision.heartbeat_age
        memory["fault_lamp"] = memory["lamp_mirror"] = decision.lamp
        memory["accepted_sequence"] = decision.sequence
        memory["fallbacks"] = decision.fallbacks
        return decision

    def write(self, table: str, address: int, words: Sequence[int]) -> None:
        """Store what a client wrote, whole or not at all. Raises `IllegalValue`."""
        cells = self.memory.tables[table]
        before = cells[address : address + len(words)]
        cells[address : address + len(words)] = words
        try:
            self.source.written(self.memory, range(address, address + len(words)))
        except IllegalValue:
            cells[address : address + len(words)] = before
            raise


def span(point: Point) -> range:
    """Return the addresses that a point takes."""
    return range(point.address, point.address + point.words)
