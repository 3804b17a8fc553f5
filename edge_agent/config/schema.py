"""A configuration that was checked: what the tables of the file came to."""

from typing import Literal

import msgspec

from edge_agent.bundle import Bundle
from edge_agent.config.north import North
from edge_agent.config.tables import DeviceTable, HistoryTable, ModbusTable, Mode, PriorityTable
from edge_agent.config.web import Metrics, Web
from edge_agent.core.alarm import SIMPLE, Handling
from edge_agent.core.comparison import Promotion
from edge_agent.core.drift import LIMIT
from edge_agent.core.gate import Expression, Gate
from edge_agent.core.permit import Conditions
from edge_agent.core.selection import Chosen
from edge_agent.core.tags import Tag
from edge_agent.core.writeback import Rule


class ScannedTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag and how often it is read, in seconds."""

    tag: Tag
    scan: float


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device and the tags that are read from it."""

    name: str
    table: DeviceTable
    tags: list[ScannedTag]

    @property
    def where(self) -> str:
        """The same for two devices of the configuration that are one in the field."""
        table = self.table
        return f"{table.link.table.where}/{table.unit}" if isinstance(table, ModbusTable) else table.url


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Where a result goes. `heartbeat` is in seconds.

    `outputs` are in the order of `resultblock.FIELDS`, or in that of the `chosen` fields if there are any.
    """

    device: str
    outputs: list[Tag]
    heartbeat: float
    chosen: tuple[Chosen, ...] = ()


class Alarms(msgspec.Struct, frozen=True, kw_only=True):
    """How alarms are handled, and the tags by which the PLC acknowledges and resets them, "" for none.

    `description` is for people, by output.
    """

    handling: Handling = SIMPLE
    acknowledge: str = ""
    reset: str = ""
    priority: PriorityTable = PriorityTable()
    description: dict[str, str] = msgspec.field(default_factory=dict)


class Permits(msgspec.Struct, frozen=True, kw_only=True):
    """The PLC's tags that permit writing, "" for no identity, and what has to hold."""

    permissive: str
    heartbeat: str
    identity: str
    conditions: Conditions


class Follow(msgspec.Struct, frozen=True, kw_only=True):
    """A declared output. `whole` says that its raw value is an integer."""

    device: str
    tag: Tag
    rule: Rule
    follows: str
    raised: float
    normal: float
    whole: bool


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle beside a machine's active one: which of the machine's inputs and numbers it takes."""

    bundle: Bundle
    columns: list[int]
    constants: tuple[float, ...]


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """An input, by its place, that is the output of another machine."""

    place: int
    machine: str
    output: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The asset a model watches. `inputs` are tag names, `constants` numbers in the bundle's order.

    `stored` is the bundle's name in the store, "" for one that is a file of the configuration's. `candidate`
    runs beside it and writes nothing; `promotion` is what it has to show.
    """

    name: str
    bundle: Bundle
    stored: str = ""
    candidate: Beside | None = None
    promotion: Promotion = Promotion()
    inputs: list[str]
    constants: tuple[float, ...] = ()
    mode: Mode
    result: Result | None
    upstream: tuple[Upstream, ...] = ()
    gate: Gate | None = None
    outside: Literal["inhibit", "flag"] = "inhibit"
    drift: float = LIMIT
    alarm: Alarms = Alarms()
    permit: Permits | None = None
    outputs: tuple[Follow, ...] = ()

    @property
    def tags(self) -> list[str]:
        """All tags that its cycle looks at: inputs, the gate's, buttons, and what permits writing."""
        permit, gated = self.permit, Expression(self.gate.running).tags if self.gate else []
        signals = [permit.permissive, permit.heartbeat, permit.identity] if permit else []
        computed = {one.place for one in self.upstream}
        inputs = [name for place, name in enumerate(self.inputs) if place not in computed]
        named = [*inputs, *gated, self.alarm.acknowledge, self.alarm.reset, *signals]
        return [name for name in named if name]

    @property
    def declared(self) -> list[tuple[str, Tag]]:
        """The devices and tags of all that it may write: its result and its outputs, whatever its mode."""
        result = [(self.result.device, tag) for tag in self.result.outputs] if self.result else []
        return result + [(output.device, output.tag) for output in self.outputs]

    @property
    def written(self) -> Result | None:
        """The result that this machine writes: none in shadow, whatever the configuration names."""
        return self.result if self.mode != "shadow" else None

    @property
    def followed(self) -> tuple[Follow, ...]:
        """The outputs that this machine writes: none but in mode active."""
        return self.outputs if self.mode == "active" else ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was checked whole. `warnings` are what is allowed and had better not be."""

    name: str
    state: str
    devices: list[Device]
    machines: list[Machine]
    warnings: list[str] = msgspec.field(default_factory=list)
    trial: float = 60.0
    """Seconds that a bundle has to be healthy before it is committed."""
    sha256: str = ""
    """Of `text`: the audit tells by it which configuration wrote."""
    text: bytes = b""
    """The file itself, without those that it names."""
    history: HistoryTable = HistoryTable()
    stop: str = ""
    """A tag of the PLC that stops all writing while it is not 0; "" for none."""
    web: Web | None = None
    metrics: Metrics | None = None
    north: North = North()
    file: str = ""
    """The configuration's own file, as a whole path."""
    remote: int = 0
    """The sequence of the office's configuration that devices and machines are from; 0 if from the file."""
    not_taken: str = ""
    """Why an office's configuration that is there is not used; "" if it is, or if there is none."""
