"""Metrics as Prometheus has them, collected when somebody asks: a cycle only counts, see `Histogram`."""

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edge_agent import __version__
from edge_agent.build import Parts
from edge_agent.core.histogram import Histogram
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Quality
from edge_agent.historian import Historian
from edge_agent.machine import Machine
from edge_agent.north.tellers import Tellers
from edge_agent.observed import Observed

log = logging.getLogger(__name__)

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4
Samples = Iterable[tuple[list[str], float]]
"""Values by their labels' values."""


class AgentCollector(Collector):
    """Every metric of one agent."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        """Read all counters where they are."""
        parts, historian = self._observed.parts(), self._observed.historian
        info = {"version": __version__, "agent": parts.config.name}
        yield InfoMetricFamily("edge_agent", "The agent.", value=info)
        yield _gauge("uptime_seconds", "Since the start of the agent.", [], [([], self._observed.uptime)])
        yield from _of_scans(parts)
        yield from _of_devices(parts)
        yield from _of_models(parts)
        yield from _of_machines(parts.machines)
        yield from _of_candidates(parts.machines)
        yield from _of_history(historian)
        yield from _of_north(self._observed.north)


def registry(observed: Observed) -> CollectorRegistry:
    """Return a registry of this agent alone, with the process's own figures."""
    made = CollectorRegistry()
    made.register(AgentCollector(observed))
    # Under a name of our own: node_exporter, which reads the file, has metrics of its own process.
    ProcessCollector(namespace="edge_agent", registry=made)
    return made


def text(registry: CollectorRegistry) -> bytes:
    """Return all metrics in Prometheus' text format 0.0.4."""
    return exposition.generate_latest(registry)


async def write_textfile(path: Path, every: float, registry: CollectorRegistry) -> NoReturn:
    """Write the metrics to a file, whole or not at all, `every` seconds. A disk that fails is told once."""
    broken = False
    while True:
        try:
            await asyncio.to_thread(_replace, path, text(registry))
            broken = False
        except OSError as error:
            if not broken:
                log.warning("metrics: %s: %s; tried again every %g s", path, error.strerror or error, every)
            broken = True
        await asyncio.sleep(every)


def _replace(path: Path, content: bytes) -> None:
    # Not fsynced: a file that a power cut takes is written anew 15 s after the start.
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.chmod(0o644)
    os.replace(beside, path)  # noqa: PTH105 - says what it does


def _of_scans(parts: Parts) -> Iterator[Metric]:
    labelled = [([f"{scan.period:g}"], scan) for scan in parts.scans]
    labels = ["period"]
    yield _counter("cycles", "Finished cycles.", labels, [(at, s.cycles) for at, s in labelled])
    yield _counter("overruns", "Ticks that were missed.", labels, [(at, s.overruns) for at, s in labelled])
    took = [(at, scan.took) for at, scan in labelled]
    yield _histogram("cycle_seconds", "How long a cycle takes.", labels, took)
    late = [(at, scan.late) for at, scan in labelled]
    yield _histogram("cycle_lateness_seconds", "How long after its tick a cycle begins.", labels, late)


def _of_devices(parts: Parts) -> Iterator[Metric]:
    labelled = [([device.name], device) for device in parts.devices]
    labels = ["device"]
    up = [(at, float(device.healthy is True)) for at, device in labelled]
    yield _gauge("device_up", "Whether the device answers.", labels, up)
    yield _counter("device_reads", "Scan classes read.", labels, [(at, d.reads) for at, d in labelled])
    failures = [(at, d.failures) for at, d in labelled]
    yield _counter("device_failures", "Connections lost or not made.", labels, failures)
    trips = [(at, d.round_trips) for at, d in labelled]
    yield _histogram("device_round_trip_seconds", "How long a scan class takes to read.", labels, trips)
    ends = [([*at, whose], end) for at, d in labelled for whose, end in d.certificate_ends.items()]
    text = "When a certificate that a device's session uses ends, since 1970."
    yield _gauge("certificate_end_timestamp_seconds", text, ["device", "whose"], ends)
    yield _gauge("tags", "Tags by the quality of their latest value.", ["device", "quality"], _tags(parts))


def _tags(parts: Parts) -> Samples:
    owners = {device.name: number for number, device in enumerate(parts.devices)}
    owner = np.array([owners[name.partition(".")[0]] for name in parts.rows], np.intp)
    kinds = len(Quality)
    latest = parts.table.latest.quality
    counts = np.bincount(owner * kinds + latest, minlength=len(owners) * kinds)
    for device, number in owners.items():
        for quality in Quality:
            yield [device, quality.name], int(counts[number * kinds + quality])


def _of_models(parts: Parts) -> Iterator[Metric]:
    labelled = [([model.name, model.bundle.sha256[:8]], model) for model in parts.models]
    labels = ["bundle", "sha256"]
    up = [(at, float(model.pid is not None)) for at, model in labelled]
    yield _gauge("model_up", "Whether a child runs that has proven the known answers.", labels, up)
    starts = [(at, model.starts) for at, model in labelled]
    yield _counter("model_starts", "Children that were started and proven.", labels, starts)
    answers = [(at, model.answers) for at, model in labelled]
    yield _histogram("inference_seconds", "How long a batch takes, to the child and back.", labels, answers)


def _of_machines(machines: list[Machine]) -> Iterator[Metric]:
    readings = [([m.name, reading.output], reading) for m in machines for reading in m.verdict.readings]
    labels = ["machine", "output"]
    scores = [(at, reading.score) for at, reading in readings]
    yield _gauge("score", "The score, NaN where there is none.", labels, scores)
    alarms = [
        ([*at, level], int(state))
        for at, reading in readings
        for level, state in (("alarm", reading.alarm_state), ("warning", reading.warning_state))
    ]
    help_text = "0 normal, 1 unacknowledged, 2 acknowledged, 3 returned, 4 and 5 latched, 6 shelved."
    yield _gauge("alarm_state", help_text, [*labels, "level"], alarms)
    states = [([m.name, state.name], float(m.verdict.state is state)) for m in machines for state in State]
    yield _gauge("machine_state", "1 for the state that the machine is in.", ["machine", "state"], states)
    writes = [([m.name, how.value], count) for m in machines for how, count in m.written.items()]
    yield _counter("result_writes", "Result blocks by what became of them.", ["machine", "outcome"], writes)
    outputs = [([m.name, how.value], count) for m in machines for how, count in m.outputs_written.items()]
    help_text = "Writes of declared outputs by what became of them."
    yield _counter("output_writes", help_text, ["machine", "outcome"], outputs)
    latched = [([m.name], float(m.latched)) for m in machines]
    yield _gauge("writing_latched", "Whether writing is latched off.", ["machine"], latched)


def _of_candidates(machines: list[Machine]) -> Iterator[Metric]:
    tallies = [(m.name, m.candidate.tally) for m in machines if m.candidate]
    counts = [
        ([name, what], count)
        for name, tally in tallies
        for what, count in (
            ("cycles", tally.cycles),
            ("missed", tally.missed),
            ("flips", tally.flips),
            ("alarms_of_active_only", tally.only_active),
            ("alarms_of_candidate_only", tally.only_candidate),
        )
    ]
    help_text = "What was counted while a candidate ran beside the active model."
    yield _counter("candidate", help_text, ["machine", "what"], counts)


def _of_history(historian: Historian) -> Iterator[Metric]:
    yield _counter("history_rows", "Rows on the disk.", [], [([], historian.committed)])
    yield _counter("history_lost_rows", "Rows that no disk took.", [], [([], historian.lost)])
    yield _gauge("history_queue_rows", "Rows that wait for the writer.", [], [([], historian.queued)])
    yield _gauge("history_bytes", "Size of the history's files.", [], [([], _size(historian.path))])
    help_text = "How long a commit takes, fsync and all."
    yield _histogram("history_commit_seconds", help_text, [], [([], historian.commits)])
    if flight := historian.flight:
        yield _counter("flight_written_bytes", "What the flight recorder wrote.", [], [([], flight.written)])
        yield _counter("flight_lost_images", "Images that no disk took.", [], [([], flight.lost)])


def _of_north(north: Tellers) -> Iterator[Metric]:
    if north.mqtt:
        mqtt = north.mqtt.status
        age = time.time() - mqtt.oldest if mqtt.oldest is not None else 0.0
        yield _gauge("mqtt_up", "Whether results are told to the broker.", [], [([], float(mqtt.connected))])
        yield _gauge("mqtt_waiting", "Results that are not told yet.", [], [([], mqtt.waiting)])
        yield _gauge("mqtt_oldest_seconds", "Age of the first result that is not told yet.", [], [([], age)])
        help_text = "Share of the history's room that they take. At 1 the oldest are dropped."
        yield _gauge("mqtt_room_ratio", help_text, [], [([], mqtt.room)])
        yield _counter("mqtt_told", "Results told since the start.", [], [([], mqtt.told)])
        yield _counter("mqtt_dropped", "Results dropped before they were told.", [], [([], mqtt.dropped)])
    if north.opcua_server:
        server = north.opcua_server.status
        yield _gauge("opcua_server_up", "Whether clients can connect.", [], [([], float(server.listening))])
        yield _gauge("opcua_server_clients", "Open sessions.", [], [([], server.clients)])
        yield _counter("opcua_server_starts", "Processes that were started.", [], [([], server.starts)])


def _size(path: Path) -> int:
    found = 0
    for suffix in ("", "-wal"):
        try:
            found += path.with_name(path.name + suffix).stat().st_size
        except FileNotFoundError:
            continue
    return found


def _gauge(name: str, what: str, labels: list[str], samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily(f"edge_agent_{name}", what, labels=labels), samples)


def _counter(name: str, what: str, labels: list[str], samples: Samples) -> Metric:
    return _filled(CounterMetricFamily(f"edge_agent_{name}", what, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _histogram(
    name: str, what: str, labels: list[str], samples: Iterable[tuple[list[str], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"edge_agent_{name}", what, labels=labels)
    for at, histogram in samples:
        family.add_metric(at, histogram.buckets(), histogram.total)
    return family
