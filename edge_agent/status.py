"""What the running agent sees, over a Unix socket in its state folder. No port, and never a stale file."""

import asyncio
import tomllib
from pathlib import Path

import msgspec

from edge_agent.config.tables import AgentTable
from edge_agent.core.comparison import Tally
from edge_agent.core.remark import Remark
from edge_agent.north.standing import MqttStatus, OpcUaServerStatus

SOCKET = "status.sock"
DEADLINE = 2.0


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One device.

    `quarantined` are those of the `bad_tags` whose address the device refuses; `exact` is what the numbers
    of its tags cannot say: texts, times, integers beyond 2**53.
    """

    name: str
    healthy: bool | None
    reads: int
    failures: int
    round_trip: float | None
    """Seconds that the latest read took."""
    bad_tags: list[str]
    quarantined: list[str]
    exact: dict[str, int | str]
    certificate_ends: dict[str, float] = {}
    """When the certificates in use end, in seconds since 1970, by whose they are: ``own``, ``server``."""


class OutputStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one output says, see `edge_agent.core.outputs.Reading`; None where there is nothing.

    The states of alarm and warning are of `edge_agent.core.alarm.AlarmState`.
    """

    name: str
    score: float | None
    value: float | None
    confidence: float | None
    alarm: bool
    alarm_state: str
    warning_state: str
    alarm_since: float | None = None
    """When the alarm was raised or went away, in seconds since 1970; None before the first verdict."""
    warning_since: float | None = None
    shelved_until: float | None = None
    """When what is shelved comes back by itself, in seconds since 1970."""


class CandidateStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate beside the active model; see `core.comparison.Tally`. Times are in seconds, None for none.

    `lacks` says what it needs before it may be promoted; nothing if it may.
    """

    bundle: str
    sequence: int
    tally: Tally
    difference: float | None
    p50: float | None
    p99: float | None
    lacks: list[str]


class MachineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One machine. `inputs` maps tag to value, None where there is none; `writes` counts outcomes."""

    name: str
    mode: str
    state: str
    reason: str
    culprit: str
    since: float | None
    """When state, reason or culprit changed, in seconds since 1970."""
    score: float | None
    alarm: bool
    outputs: list[OutputStatus]
    inputs: dict[str, float | None]
    writes: dict[str, int]
    last_write: str
    """What became of the latest write of the result block, "" before the first."""
    written_at: float | None
    """When that was, in seconds since 1970."""
    output_writes: dict[str, int]
    """The outcomes of writes of declared outputs."""
    latched: bool
    reasons: list[str]
    """What made the score of an alarm that is raised, in sentences."""
    outside: str
    """What of the inputs is outside of what the model was trained on, "" if nothing: then it is UNCERTAIN."""
    remarks: list[Remark]
    """What `reasons` and `outside` say, to be said in other languages."""
    drift: dict[str, dict[str, float]]
    """The last population stability index of inputs and outputs, by ``hour`` and ``day``."""
    denied: str
    """Why declared outputs are not written, NOTHING if they are. STOPPED counts for the result block, too."""
    bundle: str
    stored: str
    """The bundle's name in the store, "" for one that is a file of the configuration's."""
    sequence: int
    bundle_id: str
    """The beginning of its SHA-256, as in the name of its file in the store."""
    runtime: str
    candidate: CandidateStatus | None
    model_starts: int
    model_runs: bool
    """Whether there is a child that has proven the known answers."""


class ScanStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One period, in seconds."""

    period: float
    cycles: int
    overruns: int
    took: float | None
    late: float | None
    """Seconds that the latest cycle took, and that it began after its tick."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment. `uptime` is in seconds; `event_loop` is asyncio or uvloop."""

    name: str
    version: str
    event_loop: str
    uptime: float
    devices: list[DeviceStatus]
    machines: list[MachineStatus]
    scans: list[ScanStatus]
    history_committed: int
    history_lost: int
    history_trouble: str
    """What is wrong with the history's disk or file, "" if nothing is."""
    flight_lost: int
    """Images that the flight recorder could not keep."""
    flight_trouble: str
    mqtt: MqttStatus | None = None
    """None where nobody asked for it, as of the OPC UA server."""
    opcua_server: OpcUaServerStatus | None = None


class NotRunning(Exception):
    """No agent answers at this socket."""


def folder(config: Path) -> Path:
    """Return the state folder that a configuration names, whatever else is wrong in it by now.

    Raises `NotRunning` if it names none that can be read.
    """
    try:
        agent = tomllib.loads(config.read_text(encoding="utf-8")).get("agent", {})
        state: str = agent.get("state", AgentTable().state)
        return config.parent / state
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise NotRunning(f"{config}: {error}") from None


def ask(state: Path) -> Status:
    """Ask the agent whose state folder this is. Raises `NotRunning`."""
    return asyncio.run(_ask(state))


async def _ask(state: Path) -> Status:
    path = state / SOCKET
    try:
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                return msgspec.json.decode(await reader.read(), type=Status)
            finally:
                writer.close()
                await writer.wait_closed()
    except PermissionError:
        raise NotRunning(f"{path}: this user may not ask the agent; run it as root") from None
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        raise NotRunning(f"no agent answers at {path} ({error or 'silent'}); is it running?") from None
