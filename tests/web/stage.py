"""A page whose agent stands still: the real server and its real stream, with a status that the test makes.

So a state that a plant reaches once in a month can be looked at, beside all others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modbus_proxy import free_port
from msgspec.structs import replace

from edge_agent import bundle
from edge_agent.build import Parts, build
from edge_agent.config import Config, load
from edge_agent.core.alarm import AlarmState
from edge_agent.core.comparison import Tally
from edge_agent.core.manifest import Limits, Output
from edge_agent.core.reasons import Cause
from edge_agent.core.remark import Remark
from edge_agent.demo.site import SHIPPED
from edge_agent.historian import Historian
from edge_agent.history import file
from edge_agent.north.standing import MqttStatus, OpcUaServerStatus
from edge_agent.observed import Observed
from edge_agent.status import CandidateStatus, MachineStatus, OutputStatus, Status
from edge_agent.web.page import Change, Page

TAGS = """\
name,table,address,type,unit
speed,input,0,float32,rpm
load,input,2,float32,%
vibration,input,4,float32,mm/s
bearing_temp,input,6,float32,degC
motor_temp,input,8,float32,degC
current,input,10,float32,A
flow,input,12,float32,m3/h
pressure,input,14,float32,bar
"""
VALUES = {
    "speed": 1480.0, "load": 71.3, "vibration": 2.61, "bearing_temp": 61.4, "motor_temp": 74.9,
    "current": 22.7, "flow": 38.2, "pressure": 4.03,
}  # fmt: skip
HEAD = """\
[agent]
name = "hall-3"
state = "state"
[device.plc]
driver = "modbus-tcp"
host = "127.0.0.1"
port = 5020
scan = "100ms"
tags = "tags.csv"
"""
MACHINE = """\
[machine.{name}]
bundle = "bearing.bundle"
[machine.{name}.inputs]
"""
MINUTE = 60.0
WARNING = Limits(on=0.35, off=0.3)
OUTPUT = OutputStatus(
    name="bearing_wear", score=None, value=None, confidence=None, alarm=False, alarm_state="NORMAL",
    warning_state="NORMAL",
)  # fmt: skip

Scene = Callable[[MachineStatus], MachineStatus]


@dataclass(frozen=True, slots=True)
class Staged(Observed):
    """What is looked at, with a status that is what `change` makes of the real one; `stuck` is what hangs."""

    change: Callable[[Status], Status] = lambda status: status
    stuck: list[str] = field(default_factory=list)

    def hung(self) -> str:
        return ", ".join(self.stuck)

    def status(self) -> Status:
        return self.change(Observed.status(self))


def output(machine: MachineStatus, **changes: Any) -> MachineStatus:
    """The machine with its only output as it is in peace, but for the changes."""
    return replace(machine, outputs=[replace(OUTPUT, **changes)])


def well(machine: MachineStatus) -> MachineStatus:
    now = time.time()
    found = replace(
        machine, mode="advisory", state="ADVISORY", reason="NONE", culprit="", since=now - 4000 * MINUTE,
        score=0.113, model_runs=True, model_starts=1, runtime="LiteRT 2", last_write="verified",
        written_at=now, writes={"verified": 48_112}, denied="MODE",
        inputs={tag: VALUES[tag.partition(".")[2]] for tag in machine.inputs},
    )  # fmt: skip
    return output(found, score=0.113, value=0.113)


def alarm(machine: MachineStatus, state: AlarmState = AlarmState.UNACKNOWLEDGED) -> MachineStatus:
    since = time.time() - 12 * MINUTE
    found = replace(well(machine), alarm=True, score=0.934)
    causes: list[Remark] = [
        Cause(number=3, kind="above_others", input="vibration", value=6.41, unit="mm/s"),
        Cause(number=4, kind="above_others", input="bearing_temp", value=11.2, unit="degC"),
    ]
    found = replace(found, remarks=causes, reasons=[cause.text for cause in causes])
    return output(found, score=0.934, alarm=True, alarm_state=state.name, alarm_since=since)


def warning(machine: MachineStatus) -> MachineStatus:
    since = time.time() - 95 * MINUTE
    found = replace(well(machine), score=0.41)
    return output(found, score=0.41, warning_state="ACKNOWLEDGED", warning_since=since)


def shelved(machine: MachineStatus) -> MachineStatus:
    now = time.time()
    found = replace(well(machine), score=0.91)
    return output(
        found, score=0.91, alarm_state="SHELVED", alarm_since=now - 20 * MINUTE,
        shelved_until=now + 42.5 * MINUTE,
    )  # fmt: skip


def uncertain(machine: MachineStatus) -> MachineStatus:
    remark = Remark(kind="above_training", input="vibration", value=12.31, bound=9.4, unit="mm/s")
    return replace(well(machine), outside=remark.text, remarks=[remark])


def no_link(machine: MachineStatus) -> MachineStatus:
    found = replace(
        machine, mode="advisory", state="FALLBACK", reason="NO_LINK", culprit="plc.vibration",
        since=time.time() - 3 * MINUTE, model_runs=True, last_write="not connected",
        written_at=time.time() - 3 * MINUTE, writes={"verified": 48_112, "not connected": 90},
    )  # fmt: skip
    return output(found)


def fault(machine: MachineStatus) -> MachineStatus:
    return replace(no_link(machine), state="FAULT", reason="MODEL_DOWN", culprit="", latched=True)


def starting(machine: MachineStatus) -> MachineStatus:
    return replace(no_link(machine), state="STARTING", reason="WARMING_UP", culprit="", last_write="")


def shadow(machine: MachineStatus) -> MachineStatus:
    found = replace(well(machine), mode="shadow", state="SHADOW", last_write="", written_at=None, writes={})
    tally = Tally(active="a", candidate="b", cycles=8640, flips=3, only_active=1, only_candidate=0)
    beside = CandidateStatus(
        bundle="bearing 1.1.0", sequence=7, tally=tally, difference=0.01, p50=4e-5, p99=2.1e-4,
        lacks=["8640 of 86400 cycles"],
    )  # fmt: skip
    return replace(found, candidate=beside, drift={"hour": {"vibration": 0.31}, "day": {"vibration": 0.22}})


SCENES: dict[str, Scene] = {
    "pump-1": well,
    "pump-2": alarm,
    "press-7": warning,
    "press-8": shelved,
    "press-9": uncertain,
    "fan-3": no_link,
    "mill-1": fault,
    "fan-4": starting,
    "pump-9": shadow,
}
"""A machine for each state."""


def all_well(status: Status) -> Status:
    return replace(status, machines=[well(machine) for machine in status.machines])


def all_scenes(status: Status) -> Status:
    """One machine in each state, a device that is silent, a broker that is away."""
    now = time.time()
    mqtt = MqttStatus(
        broker="broker.plant.example:8883", connected=False, since=now - 30 * MINUTE, told=120_331,
        error="[Errno 111] Connection refused", waiting=18_000,
        oldest=now - 30 * MINUTE, room=0.02, dropped=3,
    )  # fmt: skip
    server = OpcUaServerStatus(
        endpoint="opc.tcp://127.0.0.1:4840/", listening=True, since=now - 90 * MINUTE, error="", starts=1,
        clients=2,
    )  # fmt: skip
    return replace(
        status,
        machines=[SCENES[machine.name](machine) for machine in status.machines],
        devices=[
            replace(d, healthy=False, reads=99, failures=2, round_trip=0.0031, quarantined=["plc.flow"])
            for d in status.devices
        ],
        mqtt=mqtt,
        opcua_server=server,
        history_trouble="the disk has not answered for 60 s",
        history_lost=12,
    )


def outputs(*more: Output) -> list[Output]:
    """The demo's output with a warning before its alarm, and others of the same model beside it."""
    (wear,) = bundle.read(SHIPPED).manifest.outputs
    return [replace(wear, warning=WARNING), *(replace(o, tensor=wear.tensor) for o in more)]


def site(folder: Path, machines: list[str], has: list[Output], alarms: str) -> Path:
    """Write a configuration with one PLC and these machines, and a page at a free port."""
    made = bundle.read(SHIPPED)
    manifest = replace(made.manifest, outputs=has)
    bundle.write(folder / "bearing.bundle", manifest, made.model, made.known)
    (folder / "tags.csv").write_text(TAGS, encoding="utf-8")
    inputs = "".join(f'{name} = "plc.{name}"\n' for name in VALUES)
    config = folder / "c.toml"
    page = f'[web]\nlisten = "127.0.0.1:{free_port()}"\ntoken = "page"\n'
    each = (MACHINE.format(name=n) + inputs + alarms.format(name=n) for n in machines)
    config.write_text(HEAD + page + "".join(each), "utf-8")
    return config


class Stage:
    """A page at `port`. The server may be stopped; what is put into `stuck` makes no progress any more."""

    def __init__(self, config: Config, change: Callable[[Status], Status]) -> None:
        assert config.web
        self.port, self._change, self._web = config.web.port, change, config.web
        self._page: Page | None = None
        self.stuck: list[str] = []

    def start(self, parts: Parts, historian: Historian, group: asyncio.TaskGroup) -> None:
        started = asyncio.get_running_loop().time() - 1500 * MINUTE
        observed = Staged(lambda: parts, historian, started, change=self._change, stuck=self.stuck)
        self._page = Page(observed, group)
        self._page.start(self._web)

    async def stop(self) -> None:
        if self._page is not None:
            await self._page.take(Change(None, None))


@asynccontextmanager
async def staged(
    folder: Path,
    change: Callable[[Status], Status] = all_scenes,
    machines: list[str] | None = None,
    *,
    has: list[Output] | None = None,
    alarms: str = "",
) -> AsyncIterator[Stage]:
    """Serve the page of such an agent, with what lies in its history.

    `has` are the outputs of every machine, `alarms` is the section of its alarms.
    """
    config = load(site(folder, machines or list(SCENES), has or outputs(), alarms))
    stage = Stage(config, change)
    (folder / "state").mkdir(exist_ok=True)
    historian = Historian(folder / "state")
    file.connect(historian.path)[0].close()
    async with asyncio.TaskGroup() as group:
        stage.start(build(config, historian, group), historian, group)
        try:
            yield stage
        finally:
            await stage.stop()
