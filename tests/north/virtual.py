"""A broker in virtual time, and a historian that keeps step with it. For time alone: all else is real."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
import pytest
from aiomqtt import MqttError
from broker import Host

from edge_agent import historian
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Columns, Quality, Reason
from edge_agent.fleet import gateway, orders, reporting
from edge_agent.historian import Historian
from edge_agent.north import standing
from edge_agent.north.mqtt import outbox, publisher

START = 1_800_000_000.0


class Clock:
    """`time` as the event loop has it, also in the threads that it starts. Every look takes a microsecond."""

    def __init__(self) -> None:
        self._loop, self._looks = asyncio.get_running_loop(), 0
        self.perf_counter = perf_counter

    def monotonic(self) -> float:
        self._looks += 1
        return self._loop.time() + self._looks * 1e-6

    def time(self) -> float:
        return START + self.monotonic()

    def time_ns(self) -> int:
        return round(self.time() * 1e9)

    def monotonic_ns(self) -> int:
        return round(self.monotonic() * 1e9)


def virtual(patch: pytest.MonkeyPatch) -> Clock:
    """Let all that tells to the north live in the loop's time."""
    clock = Clock()
    for module in (historian, standing, outbox, publisher, gateway, orders, reporting):
        patch.setattr(module, "time", clock)
    return clock


class Broker:
    """Between publishers and one host. While it is `away` nobody gets in, and what was on its way is gone."""

    def __init__(self) -> None:
        self.host = Host()
        self.attempts: list[float] = []
        self._away = False
        self._clients = set[Client]()

    def connection(self, *_: Any, **__: Any) -> "Client":
        """Make a client, as `edge_agent.north.mqtt.connection.connection` does."""
        return Client(self)

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        for client in list(self._clients) if away else ():
            client.cut.set()


class Client:
    """As much of aiomqtt's client as a publisher uses."""

    def __init__(self, broker: Broker) -> None:
        self._broker, self.cut, self.timeout = broker, asyncio.Event(), 10.0

    async def __aenter__(self) -> Self:
        self._broker.attempts.append(asyncio.get_running_loop().time())
        self._check()
        self._broker._clients.add(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._broker._clients.discard(self)

    async def subscribe(self, *_: Any, **__: Any) -> None:
        self._check()

    async def unsubscribe(self, *_: Any) -> None:
        await asyncio.sleep(0)
        self._check()

    async def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        """At QoS 0 nobody hears that a message is lost."""
        if not self._broker.away:
            self._broker.host.hear(topic, payload)

    @property
    def messages(self) -> AsyncIterator[Any]:
        return self._none()

    async def _none(self) -> AsyncIterator[Any]:
        await self.cut.wait()
        self._check()
        yield

    def _check(self) -> None:
        if self._broker.away or self.cut.is_set():
            raise MqttError("the broker is away")


class InStep(Historian):
    """Commits once a second of the loop's, without its thread, which has another time."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(historian.COMMIT_EVERY)
            rows = [self._rows.popleft() for _ in range(len(self._rows))]
            assert not rows or self._timed(rows)

    def close(self) -> None:
        self._store.close()


def gives(historian: Historian, machine: str, number: int, now: int) -> None:
    """One cycle's result of a machine; score, input and output say which."""
    values = np.array([number + 0.25, 1.0, 2.0, 3.0])
    inputs = Columns(values, np.full(4, Quality.GOOD, np.uint8), np.zeros(4, np.uint8), np.full(4, now))
    reading = Reading(output="wear", score=number / 1e6, value=float(number))
    state = State.ADVISORY if number % 100 else State.FALLBACK
    verdict = Verdict(state=state, reason=Reason.NONE, score=number / 1e6, readings=(reading,))
    historian.result(machine, number, inputs, verdict, now)


def history(folder: Path) -> InStep:
    folder.mkdir(parents=True)
    return InStep(folder)


def waits(attempts: list[float], since: float) -> list[float]:
    """Seconds between attempts from then on."""
    tried = [since, *(at for at in attempts if at > since)]
    return [after - before for before, after in pairwise(tried)]


def is_patient(between: list[float]) -> None:
    """Attempts come after 1, 2, 4 ... 60 seconds, of which up to the half is left out at random."""
    for number, wait in enumerate(between):
        longest = min(60.0, 2.0**number)
        assert longest / 2 <= wait <= longest + 0.5, (number, wait)
    settled = between[6:]
    assert len(settled) > 50
    assert len({round(wait) for wait in settled}) > 15, (
        "all come back at once, so none waits as long as others"
    )
