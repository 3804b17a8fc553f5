"""What open pages are told: one snapshot a second, encoded once for all of them."""

import asyncio
import time
from collections.abc import AsyncGenerator

import msgspec
import numpy as np

from edge_agent.build import Parts
from edge_agent.config.schema import Alarms
from edge_agent.config.tables import PriorityTable
from edge_agent.core.manifest import Limits, Manifest
from edge_agent.core.tags import Bytes, Floats
from edge_agent.machine import Machine
from edge_agent.observed import Observed
from edge_agent.status import Status
from edge_agent.web.moving import Moved

EVERY = 1.0
"""Seconds between two snapshots."""
MOST_PAGES = 32
BEHIND = 8
"""Snapshots that wait for a slow page before it is dropped. It comes back by itself."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """An input of a machine: the bundle's name, the tag that feeds it, between what it was in training."""

    name: str
    tag: str
    unit: str
    low: float
    high: float


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """An output of a machine, and its limits. `description` is what the configuration says, "" if nothing."""

    name: str
    kind: str
    unit: str
    alarm: Limits | None
    warning: Limits | None
    priority: PriorityTable
    description: str


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change of a machine while its bundle does not."""

    name: str
    bundle: str
    sequence: int
    sha256: str
    period: float
    inputs: list[Signal]
    outputs: list[Score]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What a page draws itself from. `tags` are all names in the order of `Values.rows`, `units` theirs.

    `language` is for readers who have chosen none, "" for that of their browser.
    """

    name: str
    writable: bool
    language: str
    machines: list[Asset]
    tags: list[str]
    units: list[str]


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that changed since the snapshot before; a value is null and its quality 0 where it is BAD."""

    rows: list[int]
    values: list[float | None]
    quality: list[int]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One second. `at` is in seconds since 1970; `hung` names what makes no progress, "" if all does."""

    at: float
    hung: str
    status: Status
    values: Values


class TooManyPages(Exception):
    """No more pages are served."""


class Feed:
    """Snapshots for every page that is open. Use `run` as a task."""

    def __init__(self, observed: Observed, *, writable: bool = False, language: str = "") -> None:
        self._observed, self._writable, self._language = observed, writable, language
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._before: tuple[Parts, Floats, Bytes] | None = None
        self._encoder = msgspec.json.Encoder()
        self._closed = False

    @property
    def pages(self) -> int:
        """How many are open."""
        return len(self._pages)

    async def run(self) -> None:
        """Tell all pages once a second. Without any, nothing is looked at."""
        while True:
            await asyncio.sleep(EVERY)
            if self._pages:
                self._tell()
            else:
                self._before = None

    def open(self) -> AsyncGenerator[bytes, None]:
        """Return the events of a new page, the layout and all values first. Raises `TooManyPages`."""
        if self._closed or len(self._pages) >= MOST_PAGES:
            raise TooManyPages
        return self._events()

    def close(self, farewell: Moved | None = None) -> None:
        """End all streams, with a last word for the pages that are open."""
        self._closed = True
        for queue in list(self._pages):
            self._drop(queue, self._event(b"moved", farewell) if farewell else b"")

    async def _events(self) -> AsyncGenerator[bytes, None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(BEHIND)
        self._pages.add(queue)
        try:
            yield b"retry: 2000\n" + self._all(self._observed.parts())
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._pages.discard(queue)

    def _tell(self) -> None:
        parts = self._observed.parts()
        latest = parts.table.latest
        if self._before is None:
            event = self._event(b"snapshot", self._snapshot(_everything(parts)))
        elif self._before[0] is parts:
            event = self._event(b"snapshot", self._snapshot(_changes(parts, *self._before[1:])))
        else:
            event = self._all(parts)  # a changed configuration: pages draw themselves anew
        self._before = parts, latest.value.copy(), latest.quality.copy()
        for queue in list(self._pages):
            if queue.full():
                self._drop(queue)
            else:
                queue.put_nowait(event)

    def _drop(self, queue: "asyncio.Queue[bytes | None]", last: bytes = b"") -> None:
        self._pages.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        if last:
            queue.put_nowait(last)
        queue.put_nowait(None)

    def _all(self, parts: Parts) -> bytes:
        described = self._event(b"layout", layout(parts, writable=self._writable, language=self._language))
        return described + self._event(b"snapshot", self._snapshot(_everything(parts)))

    def _snapshot(self, values: Values) -> Snapshot:
        return Snapshot(
            at=time.time(), hung=self._observed.hung(), status=self._observed.status(), values=values
        )

    def _event(self, name: bytes, data: object) -> bytes:
        return b"event: " + name + b"\ndata: " + self._encoder.encode(data) + b"\n\n"


def layout(parts: Parts, *, writable: bool, language: str) -> Layout:
    """Describe an agent to a page."""
    alarms = {machine.name: machine.alarm for machine in parts.config.machines}
    tags = {scanned.tag.name: scanned.tag for device in parts.config.devices for scanned in device.tags}
    return Layout(
        name=parts.config.name,
        writable=writable,
        language=language,
        machines=[_asset(machine, alarms.get(machine.name, Alarms())) for machine in parts.machines],
        tags=list(parts.rows),
        units=[tags[name].unit for name in parts.rows],
    )


def _asset(machine: Machine, alarms: Alarms) -> Asset:
    manifest, sha256 = machine.model.bundle.manifest, machine.model.bundle.sha256
    return Asset(
        name=machine.name,
        bundle=f"{manifest.name} {manifest.version}",
        sequence=manifest.sequence,
        sha256=sha256,
        period=manifest.period,
        inputs=[
            Signal(name=i.name, tag=tag, unit=i.unit, low=low, high=high)
            for i, tag, low, high in zip(
                manifest.inputs, machine.input_names, *_trained(manifest), strict=True
            )
        ],
        outputs=[
            Score(
                name=o.name,
                kind=o.kind,
                unit=o.unit,
                alarm=o.limits,
                warning=o.warning,
                priority=alarms.priority,
                description=alarms.description.get(o.name, ""),
            )
            for o in manifest.outputs
        ],
    )


def _trained(manifest: Manifest) -> tuple[list[float], list[float]]:
    """Return between what the inputs are as they were in training: the envelope, or all that was seen."""
    if manifest.envelope:
        return manifest.envelope.low, manifest.envelope.high
    return [i.min for i in manifest.inputs], [i.max for i in manifest.inputs]


def _everything(parts: Parts) -> Values:
    latest = parts.table.latest
    return _values(np.arange(len(latest)), latest.value, latest.quality)


def _changes(parts: Parts, value: Floats, quality: Bytes) -> Values:
    latest = parts.table.latest
    # NaN differs from itself, but then the quality was BAD before, too.
    differs = (latest.value != value) & ~(np.isnan(latest.value) & np.isnan(value))
    rows = np.flatnonzero(differs | (latest.quality != quality))
    return _values(rows, latest.value[rows], latest.quality[rows])


def _values(rows: "np.ndarray[tuple[int], np.dtype[np.intp]]", value: Floats, quality: Bytes) -> Values:
    return Values(rows=rows.tolist(), values=value.tolist(), quality=quality.tolist())
