"""The gateway as a Sparkplug edge node: the messages of its life, and the counting in them.

An edge node is born with all that it can say (NBIRTH, and a DBIRTH for each device), then tells what changes
(DDATA). Every message but its death has the next number of 0..255 (Sparkplug 3.0.0, 6.4.4).
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from pysparkplug import DataType, DBirth, DData, DDeath, Metric, NBirth, NCmd, NData, NDeath

from edge_agent import __version__
from edge_agent.config import Config
from edge_agent.device import Written
from edge_agent.north.mqtt.metrics import Device, States, Value
from edge_agent.north.results import Change, Result

log = logging.getLogger(__name__)

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
_BD_SEQ = "bdSeq"
_VERSION, _WAITING, _LOST = "Agent/Version", "Agent/Results waiting", "Agent/Results lost"
_WAITING_ALIAS, _LOST_ALIAS, _FIRST_ALIAS = 1, 2, 3
_WRITES = {outcome: outcome.value.capitalize() for outcome in Written}
MOST_ROWS = 200
"""Results in one message: some tens of kilobytes, which every broker takes."""
LARGEST_COMMAND = 10_000
Standing = Mapping[str, Mapping[str, States]]
"""By machine and output."""


class Message(NamedTuple):
    """What is published, not retained and at QoS 0, as Sparkplug 3.0.0, 6.4 has it for all but the will."""

    topic: str
    payload: bytes


class Latest(NamedTuple):
    """What was last said of a device; `at` is in ms since 1970."""

    at: int
    values: list[Value]


class Node:
    """One edge node. `since` says until when (seconds since 1970) a machine had other inputs."""

    def __init__(self, group: str, name: str, config: Config, since: Mapping[str, float]) -> None:
        self._group, self._name, self._since = group, name, since
        tags = {scanned.tag.name: scanned.tag for device in config.devices for scanned in device.tags}
        self.devices: dict[str, Device] = {}
        alias = _FIRST_ALIAS
        for machine in config.machines:
            device = Device(machine, tags, list(_WRITES.values()), alias)
            self.devices[machine.name] = device
            alias += len(device.definitions)
        self.latest: dict[str, Latest] = {}
        self._counts: dict[str, list[int]] = {}
        self._states: dict[str, dict[str, States]] = {name: {} for name in self.devices}
        self._told: tuple[int, int] = (0, 0)
        self._seq = 0

    def topic(self, kind: str, device: str = "") -> str:
        """Return the topic of a kind of message (Sparkplug 3.0.0, 4.1)."""
        return f"{NAMESPACE}/{self._group}/{kind}/{self._name}" + (f"/{device}" if device else "")

    def death(self, birth: int, now: int) -> Message:
        """Say that it is gone: the will of the connection with this bdSeq."""
        metric = Metric(now, _BD_SEQ, DataType.INT64, birth)
        return Message(self.topic("NDEATH"), NDeath(now, metric).encode())

    def birth(self, birth: int, now: int, waiting: int, lost: int, standing: Standing) -> Iterator[Message]:
        """Say all, `now` in ms since 1970: the node first, then every device with its latest values.

        `standing` are the states of alarms as they are now.
        """
        self._seq, self._told = 0, (waiting, lost)
        self._states = {name: dict(standing.get(name, {})) for name in self.devices}
        metrics = [
            Metric(now, _BD_SEQ, DataType.INT64, birth),
            Metric(now, REBIRTH, DataType.BOOLEAN, value=False),
            Metric(now, _VERSION, DataType.STRING, __version__),
            Metric(now, _WAITING, DataType.INT64, waiting, _WAITING_ALIAS),
            Metric(now, _LOST, DataType.INT64, lost, _LOST_ALIAS),
        ]
        yield Message(self.topic("NBIRTH"), NBirth(now, self._next(), metrics).encode())
        for name, device in self.devices.items():
            at, values = self.latest.setdefault(name, Latest(now, device.nothing()))
            counts = self._counts.setdefault(name, [0] * len(_WRITES))
            metrics = list(device.birth(at, values, self._states[name], counts))
            yield Message(self.topic("DBIRTH", name), DBirth(now, self._next(), metrics).encode())

    def gone(self, devices: list[str], now: int) -> Iterator[Message]:
        """Say that devices are no more."""
        for name in devices:
            yield Message(self.topic("DDEATH", name), DDeath(now, self._next()).encode())

    def results(self, results: list[Result], now: int, *, late: bool) -> Iterator[Message]:
        """Say what results changed, oldest first; those that come `late` are marked as historical."""
        found: dict[str, list[Result]] = {}
        for result in results:
            if result.machine in self.devices:
                found.setdefault(result.machine, []).append(result)
        for name, mine in found.items():
            # What was told before those that come late is not known here, so the first of them says all.
            before = None if late else self.latest[name].values
            for start in range(0, len(mine), MOST_ROWS):
                metrics: list[Metric] = []
                for result in mine[start : start + MOST_ROWS]:
                    values = self._values(result)
                    metrics += self.devices[name].changes(_ms(result.at), values, before, late=late)
                    before = values
                if metrics:
                    yield Message(self.topic("DDATA", name), DData(now, self._next(), metrics).encode())
            if not late:
                self.learn(mine[-1])

    def alarms(self, changes: Iterable[Change], now: int, *, late: bool) -> Iterator[Message]:
        """Say how alarms changed, oldest first; those that come `late` are marked as historical."""
        found: dict[str, list[Metric]] = {}
        for change in changes:
            if device := self.devices.get(change.machine):
                metrics = list(device.alarm(_ms(change.at), change.output, change.states, late=late))
                found.setdefault(change.machine, []).extend(metrics)
                if metrics and not late:
                    self._states[change.machine][change.output] = change.states
        yield from self._data(found, now)

    def begun(self, standing: Standing, now: int) -> Iterator[Message]:
        """Say the states of alarms of which nothing was known at the birth."""
        found: dict[str, list[Metric]] = {}
        for name, known in self._states.items():
            for output, states in standing.get(name, {}).items():
                if output not in known:
                    known[output] = states
                    metrics = self.devices[name].alarm(now, output, states, late=False)
                    found.setdefault(name, []).extend(metrics)
        yield from self._data(found, now)

    def _data(self, found: Mapping[str, list[Metric]], now: int) -> Iterator[Message]:
        for name, metrics in found.items():
            if metrics:
                yield Message(self.topic("DDATA", name), DData(now, self._next(), metrics).encode())

    def learn(self, result: Result) -> None:
        """Take a result as the latest of its machine, without saying so."""
        self.latest[result.machine] = Latest(_ms(result.at), self._values(result))

    def counted(self, written: Mapping[str, Mapping[Written, int]], now: int) -> Iterator[Message]:
        """Say how often writing came to what, if that changed."""
        for name, outcomes in written.items():
            counts = [outcomes[outcome] for outcome in _WRITES]
            if name in self.devices and counts != self._counts.get(name):
                self._counts[name] = counts
                metrics = list(self.devices[name].counted(now, counts))
                yield Message(self.topic("DDATA", name), DData(now, self._next(), metrics).encode())

    def backlog(self, waiting: int, lost: int, now: int) -> Iterator[Message]:
        """Say how many results wait and how many were lost, if that changed."""
        if (waiting, lost) != self._told:
            self._told = (waiting, lost)
            metrics = [
                Metric(now, None, DataType.INT64, waiting, _WAITING_ALIAS),
                Metric(now, None, DataType.INT64, lost, _LOST_ALIAS),
            ]
            yield Message(self.topic("NDATA"), NData(now, self._next(), metrics).encode())

    def _values(self, result: Result) -> list[Value]:
        known = result.at > self._since.get(result.machine, 0.0)
        return self.devices[result.machine].values(result, inputs=known)

    def _next(self) -> int:
        seq = self._seq
        self._seq = (seq + 1) % 256
        return seq


def asks_rebirth(payload: bytes) -> bool:
    """Whether a command asks it to be born again, the only thing that it obeys."""
    try:
        command = NCmd.decode(payload[:LARGEST_COMMAND])
    except (DecodeError, ValueError, OverflowError, TypeError):
        log.warning("mqtt: a command that cannot be read; ignored")
        return False
    return any(metric.name == REBIRTH and metric.value is True for metric in command.metrics)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
