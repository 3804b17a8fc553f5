"""What the file may say, table by table. Field names are the keys."""

import math
from typing import Any, Literal

import msgspec

from edge_agent.config.fields import Days, Delay, Seconds, Share, Size
from edge_agent.config.links import Link
from edge_agent.core.drift import LIMIT

Mode = Literal["shadow", "advisory", "active"]


class AgentTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[agent]``. Folders are beside the file unless absolute.

    `state` holds history and status socket. With `trust`, a folder of public keys, only bundles that
    one of them signed are taken; without, `bundle install` takes one only if `unsigned` allows it.
    An active version is kept once it was healthy for `trial`.
    """

    name: str = "edge-agent"
    state: str = "/var/lib/edge-agent"
    trust: str = ""
    unsigned: bool = False
    trial: Seconds = Seconds(60.0)
    stop: str = ""


class HistoryTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[history]``: how much of the disk history may take, made for an eMMC of 8 GB.

    `results` is the largest size of the database, `flight` that of the flight recorder, 0 for none. `age` is
    how much running time the flight recorder keeps. `free` is what stays free on the disk: below it the
    flight recorder gives way first.
    """

    results: Size = Size(10**9)
    flight: Size = Size(10**9)
    age: Days = Days(7 * 86_400)
    free: Size = Size(250 * 10**6)


class ModbusTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[device.NAME]`` with a Modbus driver. `link` is made of the keys that say how it is reached.

    `writes` are by FC 15 and 16, one by one by FC 5 and 6, or of registers by FC 23; parts of a register by a
    mask (FC 22), or by reading it and writing it back.
    """

    driver: str
    link: Link = Link()
    unit: int = 1
    timeout: Seconds = Seconds(0.5)
    scan: Seconds = Seconds(1.0)
    tags: str | list[dict[str, Any]] = msgspec.field(default_factory=list)
    notation: Literal["wire", "modicon"] = "wire"
    base: int = 0
    max_gap: int = 16
    max_registers: int = 125
    max_bits: int = 2000
    forbidden: list[str] = msgspec.field(default_factory=list)
    owned: list[str] = msgspec.field(default_factory=list)
    writes: Literal["multiple", "single", "read-write"] = "multiple"
    bits: Literal["mask", "read-modify-write"] = "mask"
    address_exceptions: list[int] = msgspec.field(default_factory=lambda: [2, 3])


class OpcUaTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[device.NAME]`` with ``driver = "opc-ua"``. Only ``security = "none"`` makes it do without security.

    `policy` ``best`` is the strongest that the server offers of the three. `login` names a credential.
    `pki` is the folder of certificates; if empty, ``pki`` in the state folder. `read` says whether tags are
    asked for at every scan, or the server tells what changed: it looks every `sampling`, keeps the newest
    `queue` values, and tells them every `publishing`, both the tag's scan if not said. The server is asked to
    forget a session that says nothing for `session_timeout`; a clock that is off by more than
    `clock_tolerance` is told of.
    """

    driver: Literal["opc-ua"]
    url: str
    security: Literal["sign-and-encrypt", "sign", "none"] = "sign-and-encrypt"
    policy: Literal["best", "Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "Basic256Sha256"] = "best"
    login: str = ""
    pki: str = ""
    read: Literal["cyclic", "subscribe"] = "cyclic"
    sampling: Delay | None = None
    publishing: Seconds | None = None
    queue: int = 1
    deadband: float = 0.0
    verify_host: bool = True
    session_timeout: Seconds = Seconds(15.0)
    clock_tolerance: Seconds = Seconds(60.0)
    timeout: Seconds = Seconds(2.0)
    scan: Seconds = Seconds(1.0)
    tags: str | list[dict[str, Any]] = msgspec.field(default_factory=list)


DeviceTable = ModbusTable | OpcUaTable


def connection(table: DeviceTable) -> DeviceTable:
    """Return what says how a device is reached, without what is read from it."""
    return msgspec.structs.replace(table, tags=[], scan=Seconds(1.0))


class ResultTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[machine.NAME.result]``: where the result block goes, a register range or a node id prefix.

    Or `fields`: for each that is wanted a row of a tag table, and `missing`, what stands for NaN.
    """

    device: str
    table: Literal["holding"] | None = None
    address: int | None = None
    node: str | None = None
    fields: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    heartbeat: Seconds = Seconds(1.0)


Priority = Literal["urgent", "high", "medium", "low"]
"""Of an alarm, as ISA-18.2 has it: few, and the first for what must be done at once."""


class PriorityTable(msgspec.Struct, frozen=True, kw_only=True):
    """How soon somebody has to do something about an alarm, and about a warning."""

    alarm: Priority = "high"
    warning: Priority = "medium"


class AlarmTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[machine.NAME.alarm]``: how its alarms are handled, as `core.alarm.Handling` has it.

    `acknowledge` and `reset` are tags of the PLC: going from 0 to another number counts. `description` says,
    by output, what an alarm of it means and what to do.
    """

    priority: PriorityTable = PriorityTable()
    description: dict[str, str] = msgspec.field(default_factory=dict)
    wait: bool = False
    latch: bool = False
    realarm: Delay = Delay(0)
    count: tuple[int, int] = (1, 1)
    shelf: Seconds = Seconds(3600)
    acknowledge: str = ""
    reset: str = ""


class PermitTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[machine.NAME.permit]``: what has to hold before outputs are written, as `core.permit` has it.

    `permissive`, `heartbeat` and `identity` are tags of the PLC; `value` is what `identity` must show.
    """

    permissive: str
    heartbeat: str
    timeout: Seconds = Seconds(2.0)
    identity: str = ""
    value: float | None = None
    cycles: int = 10


class OutputTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[[machine.NAME.outputs]]``: one value that the agent writes in mode active.

    `tag` is where, as a row of a tag table with `low` and `high`. An output that follows an alarm is
    `raised` or `normal`. The rest is as `core.writeback.Rule` has it.
    """

    device: str
    tag: dict[str, Any]
    follows: Literal["alarm", "warning", "score", "value"] = "alarm"
    raised: float = 1.0
    normal: float = 0.0
    step: float = math.inf
    deadband: float = 0.0
    interval: Delay = Delay(0)
    per_hour: int = 3600
    fallback: float | None = None


class PromotionTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[machine.NAME.promotion]``: what a candidate needs, as `core.comparison.Promotion` has it."""

    cycles: int = 10_000
    max_flips: Share = Share(0.001)
    max_alarms: int = 0
    max_missed: Share = Share(0.001)


class MachineTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[machine.NAME]``. `running` and `settle` are as `core.gate.Gate` has them.

    `outside` says what inputs do in mode active that the model was not trained on: inhibit writing, or flag
    the result and no more. `drift` is the population stability index above which drift is told.
    `constants` are numbers of the machine that its bundle asks for, by name.
    """

    bundle: str
    inputs: dict[str, str]
    constants: dict[str, float] = msgspec.field(default_factory=dict)
    mode: Mode = "shadow"
    running: str = ""
    settle: Delay = Delay(0)
    outside: Literal["inhibit", "flag"] = "inhibit"
    drift: float = LIMIT
    alarm: AlarmTable = AlarmTable()
    permit: PermitTable | None = None
    outputs: list[OutputTable] = msgspec.field(default_factory=list)
    promotion: PromotionTable = PromotionTable()
    result: dict[str, Any] | None = None
