"""A driver kept connected. Above this file a dead device is a BAD sample, never an exception."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from edge_agent.contact import Contact
from edge_agent.core.histogram import Histogram
from edge_agent.core.tags import Columns, Floats, Reason, Tag
from edge_agent.drivers import Certified, Driver, Gather, Lasting, LinkDown, Overlapping, Prompt, Refused


class Written(Enum):
    """What became of a write."""

    VERIFIED = "verified"
    NOT_CONNECTED = "not connected"
    UNKNOWN = "unknown"  # the link broke in the middle: it may or may not have been taken
    REFUSED = "refused"
    MISMATCH = "read back different"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Declared outputs of one device, compiled. Only `Device.declare` makes one: it is the allow-list.

    What is written is raw, what is read back is ``raw * scale + offset``.
    """

    device: "Device"
    write_plan: Any
    read_plan: Any
    scale: Floats
    offset: Floats


class Device:
    """Reads scan classes and writes declared outputs; reconnects by itself while `run` runs."""

    def __init__(self, name: str, driver: Driver) -> None:
        self.name = name
        self._driver = driver
        driver.on_lost = self._connection_lost
        self._prompt = driver if isinstance(driver, Prompt) else None
        self._lock = asyncio.Lock()
        # Where writes do not wait for reads they have a lock of their own.
        self._write_lock = asyncio.Lock() if isinstance(driver, Overlapping) else None
        self._reading = False
        self._read_ended: asyncio.Future[None] | None = None
        self._probe: Any = None
        self._plans: list[Any] = []
        self._lost = asyncio.Event()
        self._lost.set()
        self._contact = Contact(name)
        self.reads = 0
        self.round_trips = Histogram()
        """From asking for a scan class to having all of it, the wait for a shared link included."""

    @property
    def healthy(self) -> bool | None:
        """Whether the last request was answered as it should be; None before the first."""
        return self._contact.healthy

    @property
    def failures(self) -> int:
        """How often the connection was lost or could not be had."""
        return self._contact.failures

    @property
    def certificate_ends(self) -> dict[str, float]:
        """As `Certified` has them; nothing for a driver without certificates."""
        return self._driver.certificate_ends if isinstance(self._driver, Certified) else {}

    def plan(self, tags: Sequence[Tag]) -> Any:
        """Compile a scan class for `read`."""
        plan = self._driver.plan_read(tags)
        self._plans.append(plan)
        return plan

    def declare(self, tags: Sequence[Tag]) -> Outputs:
        """Compile outputs for `write`. What was not declared here cannot be written."""
        outputs = Outputs(
            self,
            self._driver.plan_write(tags),
            self._driver.plan_read(tags),
            np.array([tag.scale for tag in tags]),
            np.array([tag.offset for tag in tags]),
        )
        self._probe = outputs.read_plan
        self._plans += [outputs.write_plan, outputs.read_plan]
        return outputs

    def replan(self) -> None:
        """A changed configuration plans and declares its own. The old plans live until `settle`."""
        self._probe = None
        self._plans = []

    async def settle(self) -> None:
        """Forget what was planned before `replan`. Nobody may use it any more."""
        if isinstance(self._driver, Lasting):
            async with self._alone(), self._write_lock or nullcontext():
                try:
                    await self._driver.keep(self._plans)
                except LinkDown as error:
                    await self._drop(error)

    async def run(self) -> None:
        """Connect whenever the link is down, for ever."""
        while True:
            await self._lost.wait()
            await asyncio.sleep(self._contact.next_pause())
            async with self._alone(), self._write_lock or nullcontext():
                try:
                    await self._driver.connect()
                    # Our own block is read before anything is written: a device that connects but does
                    # not answer never counts as connected.
                    if self._probe is not None:
                        await self._read(self._probe)
                except LinkDown as error:
                    await self._drop(error)
                    continue
                self._lost.clear()

    async def read(self, plan: Any, rows: int) -> Columns:
        """Read one scan class of `rows` tags. A link that is down answers BAD at once."""
        if not self._lost.is_set():
            async with self._alone():
                if not self._lost.is_set():
                    try:
                        return await self._read(plan)
                    except LinkDown as error:
                        await self._drop(error)
                    except asyncio.CancelledError:
                        await self._drop(LinkDown("the request was given up"))
                        raise
        return Columns.bad(rows, self._contact.reason, _now())

    def begin(self, plan: Any, done: Callable[[Reason], None]) -> bool:
        """Begin to read a scan class without a task; False if that cannot be, now or ever.

        `done` is called once, perhaps within this call, with NONE if the plan has its columns, see `columns`
        and `gather`, or with the reason why all of it is BAD.
        """
        if self._prompt is None or self._reading or self._lock.locked():
            return False
        if self._lost.is_set():
            done(self._contact.reason)
        else:
            self._reading = True
            self._prompt.begin(plan, partial(self._ended, done, time.perf_counter()))
        return True

    def columns(self, plan: Any) -> Columns:
        """Return the columns of a plan whose read that was begun has ended well."""
        assert self._prompt is not None, "its reads are not begun"
        return self._prompt.columns(plan)

    @property
    def gather(self) -> Callable[[Sequence[Any]], Gather] | None:
        """What compiles plans whose columns can be taken at once, the same for all devices of that kind."""
        return None if self._prompt is None else self._prompt.gather

    async def write(self, outputs: Outputs, values: Sequence[float]) -> tuple[Written, str]:
        """Write raw values of declared outputs in one go and read them back. Nothing is queued or repeated.

        Returns what became of it, and the detail of a failure.
        """
        assert outputs.device is self, "outputs of another device"
        if self._lost.is_set():
            return Written.NOT_CONNECTED, ""
        async with self._write_lock or self._alone():
            if self._lost.is_set():
                return Written.NOT_CONNECTED, ""
            try:
                await self._driver.write(outputs.write_plan, values)
                back = await self._read(outputs.read_plan)
            except Refused as error:
                return Written.REFUSED, str(error)
            except LinkDown as error:
                await self._drop(error)
                return Written.UNKNOWN, str(error)
            except asyncio.CancelledError:
                await self._drop(LinkDown("the request was given up"))
                raise
        return _compare(np.asarray(values) * outputs.scale + outputs.offset, back)

    async def close(self) -> None:
        """Close the connection."""
        self._lost.set()
        await self._driver.close()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Be the only one who reads. A read that was begun ends first, by its deadlines."""
        async with self._lock:
            if self._reading:
                self._read_ended = asyncio.get_running_loop().create_future()
                await self._read_ended
            yield

    def _ended(self, done: Callable[[Reason], None], asked: float, error: LinkDown | None) -> None:
        self._reading = False
        if error is None:
            self._answered(asked)
            reason = Reason.NONE
        else:
            if not self._lost.is_set():
                assert self._prompt is not None, "it was begun"
                self._lost.set()
                self._prompt.drop()
                self._contact.lost(error)
            reason = self._contact.reason
        if self._read_ended is not None and not self._read_ended.done():
            self._read_ended.set_result(None)
        done(reason)

    async def _read(self, plan: Any) -> Columns:
        asked = time.perf_counter()
        columns = await self._driver.read(plan)
        self._answered(asked)
        return columns

    def _answered(self, asked: float) -> None:
        self.round_trips.observe(time.perf_counter() - asked)
        self.reads += 1
        self._contact.answered()

    def _connection_lost(self, error: LinkDown) -> None:
        """Connect again now, not after the next read has failed. Whoever has the lock learns it by itself."""
        if not (self._lost.is_set() or self._reading or self._lock.locked()):
            self._lost.set()
            self._contact.lost(error)

    async def _drop(self, error: LinkDown) -> None:
        self._lost.set()
        await self._driver.close()
        self._contact.lost(error)


def _compare(wrote: Floats, back: Columns) -> tuple[Written, str]:
    same = (back.value == wrote) | (np.isnan(wrote) & (back.reason == Reason.NOT_FINITE))
    if same.all():
        return Written.VERIFIED, ""
    return Written.MISMATCH, f"wrote {wrote[~same].tolist()}, read {back.value[~same].tolist()}"


def _now() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)
