"""Takes the status of the running agent."""

import asyncio
import math
import time
from collections.abc import Iterable

import msgspec
import numpy as np

from edge_agent import __version__
from edge_agent.build import Parts
from edge_agent.core.comparison import shortfalls
from edge_agent.core.outputs import Reading
from edge_agent.core.permit import Denied
from edge_agent.core.since import Since
from edge_agent.core.tags import Quality, Reason
from edge_agent.historian import Historian
from edge_agent.machine import Machine
from edge_agent.north.tellers import Tellers
from edge_agent.scan import Scan
from edge_agent.status import CandidateStatus, DeviceStatus, MachineStatus, OutputStatus, ScanStatus, Status


def snapshot(parts: Parts, historian: Historian, north: Tellers, uptime: float) -> Status:
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
        mqtt=north.mqtt.status if north.mqtt else None,
        opcua_server=north.opcua_server.status if north.opcua_server else None,
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
            certificate_ends=device.certificate_ends,
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
        outputs=[_output(reading, machine.since) for reading in verdict.readings],
        inputs={name: _known(value) for name, value in values},
        writes={outcome.value: count for outcome, count in machine.written.items()},
        last_write=machine.publisher.last.value if machine.publisher.last else "",
        written_at=_wall(machine.publisher.written_at),
        output_writes={outcome.value: n for outcome, n in machine.outputs_written.items()},
        latched=machine.latched,
        reasons=[cause.text for cause in verdict.causes],
        outside=verdict.outside.text if verdict.outside else "",
        remarks=[*verdict.causes, *([verdict.outside] if verdict.outside else [])],
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


def _output(reading: Reading, since: Since) -> OutputStatus:
    return OutputStatus(
        name=reading.output,
        score=_known(reading.score),
        value=_known(reading.value),
        confidence=_known(reading.confidence),
        alarm=reading.alarm,
        alarm_state=reading.alarm_state.name,
        warning_state=reading.warning_state.name,
        alarm_since=_wall(since.alarms.get(reading.output, 0)),
        warning_since=_wall(since.warnings.get(reading.output, 0)),
        shelved_until=_wall(reading.shelved_until),
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
