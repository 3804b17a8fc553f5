"""What the running agent sees, over a Unix socket in its state folder. No port, and never a stale file."""

import asyncio
import math
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import __version__
from edge_agent.build import Parts
from edge_agent.config.schema import AgentTable
from edge_agent.core.comparison import Tally, shortfalls
from edge_agent.core.outputs import Reading
from edge_agent.core.permit import Denied
from edge_agent.core.tags import Quality, Reason
from edge_agent.historian import Historian
from edge_agent.machine import Machine
from edge_agent.scan import Scan

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
    since: float | None
    """When one of the two was raised or went away, in seconds since 1970."""


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


def snapshot(parts: Parts, historian: Historian, uptime: float) -> Status:
    """Take the status of a running agent."""
    return Status(
        name=parts.config.name,
        version=__version__,
        event_loop=type(asyncio.get_running_loop()).__module__.split(".")[0],
        uptime=uptime,
        devices=_devices(parts),
        machines=[_machine(machine) for machine in parts.machines],
        scans=[_scan(scan) for scan in parts.scans],
        history_committed=historian.committed,
        history_lost=historian.lost,
        history_trouble=historian.trouble,
        flight_lost=historian.flight.lost if historian.flight else 0,
        flight_trouble=historian.flight.trouble if historian.flight else "",
    )


def _devices(parts: Parts) -> list[DeviceStatus]:
    """Look at the table once for all devices: with many tags a look for each would hold up the scans."""
    latest, names = parts.table.latest, list(parts.rows)
    bad = _by_device(names[row] for row in np.flatnonzero(latest.quality == Quality.BAD))
    quarantined = _by_device(names[row] for row in np.flatnonzero(latest.reason == Reason.QUARANTINED))
    exact = {names[row]: said for row, said in parts.table.exact.items() if latest.quality[row]}
    said_by = _by_device(exact)
    return [
        DeviceStatus(
            name=device.name,
            healthy=device.healthy,
            reads=device.reads,
            failures=device.failures,
            round_trip=device.round_trips.last,
            bad_tags=bad.get(device.name, []),
            quarantined=quarantined.get(device.name, []),
            exact={tag: exact[tag] for tag in said_by.get(device.name, [])},
        )
        for device in parts.devices
    ]


def _by_device(tags: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(tag.partition(".")[0], []).append(tag)
    return found


def _machine(machine: Machine) -> MachineStatus:
    verdict = machine.verdict
    manifest = machine.model.bundle.manifest
    values = zip(machine.input_names, machine.inputs.value.tolist(), strict=True)
    return MachineStatus(
        name=machine.name,
        mode=machine.mode,
        state=verdict.state.name,
        reason=verdict.reason.name,
        culprit=verdict.culprit,
        since=_wall(machine.since.state),
        score=_known(verdict.score),
        alarm=verdict.alarm,
        outputs=[
            _output(reading, machine.since.alarms.get(reading.output, 0)) for reading in verdict.readings
        ],
        inputs={name: _known(value) for name, value in values},
        writes={outcome.value: count for outcome, count in machine.written.items()},
        last_write=machine.publisher.last.value if machine.publisher.last else "",
        written_at=_wall(machine.publisher.written_at),
        output_writes={outcome.value: n for outcome, n in machine.outputs_written.items()},
        latched=machine.latched,
        reasons=[cause.text for cause in verdict.causes],
        outside=verdict.outside.text if verdict.outside else "",
        drift=machine.drift,
        denied=(Denied.STOPPED if machine.stopped else machine.denied).name,
        bundle=f"{manifest.name} {manifest.version}",
        stored=machine.stored,
        sequence=manifest.sequence,
        bundle_id=machine.model.bundle.sha256[:12],
        candidate=_candidate(machine),
        runtime=machine.model.runtime,
        model_starts=machine.model.starts,
        model_runs=machine.model.pid is not None,
    )


def _candidate(machine: Machine) -> CandidateStatus | None:
    candidate = machine.candidate
    if candidate is None:
        return None
    manifest, tally = candidate.bundle.manifest, candidate.tally
    p50, p99 = candidate.times
    return CandidateStatus(
        bundle=f"{manifest.name} {manifest.version}",
        sequence=manifest.sequence,
        tally=msgspec.structs.replace(tally),
        difference=_known(tally.mean),
        p50=_known(p50),
        p99=_known(p99),
        lacks=shortfalls(tally, candidate.wanted),
    )


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


def _output(reading: Reading, since: int) -> OutputStatus:
    return OutputStatus(
        name=reading.output,
        score=_known(reading.score),
        value=_known(reading.value),
        confidence=_known(reading.confidence),
        alarm=reading.alarm,
        alarm_state=reading.alarm_state.name,
        warning_state=reading.warning_state.name,
        since=_wall(since),
    )


def _scan(scan: Scan) -> ScanStatus:
    return ScanStatus(
        period=scan.period,
        cycles=scan.cycles,
        overruns=scan.overruns,
        took=scan.took.last,
        late=scan.late.last,
    )


def _wall(monotonic: int) -> float | None:
    """Return wall time of a monotonic time in ns; None for 0."""
    return time.time() - asyncio.get_running_loop().time() + monotonic / 1e9 if monotonic else None


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


class NotRunning(Exception):
    """No agent answers at this socket."""


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
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        raise NotRunning(f"no agent answers at {path} ({error or 'silent'}); is it running?") from None
