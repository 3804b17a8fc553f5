"""A bundle on trial: each start is counted before its model runs; then it is kept, or given up.

It is committed after `minute` seconds without a death of its child in which every machine that runs it had
`RESULTS` valid results. Three starts without that, or three deaths, and the version before runs again; where
there is none the machine runs without a model, which its PLC sees as FAULT.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_agent.build import Parts
from edge_agent.bundles.record import AGENT, STARTS, Record
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.config import Config
from edge_agent.historian import Historian
from edge_agent.machine import Machine

log = logging.getLogger(__name__)

RESULTS = 10
DEATHS = 3
LOOK_EVERY = 1.0
KEEP_EVERY = 60
"""Looks after which the candidates' tallies are put on the disk."""


def begin(config: Config) -> bool:
    """Count this start for every bundle on trial; return whether one was given up, so that others are active.

    What cannot be read any more is given up at once. A disk that takes no record does not keep the agent from
    starting.
    """
    changed = False
    for machine in {m.stored: m for m in config.machines if m.stored}.values():
        try:
            with Store(Path(config.state), machine.stored).changing() as record:
                if record.active and machine.bundle.absent:
                    reason = "it cannot be read any more"
                elif not record.begin():
                    reason = f"{STARTS} starts without a healthy minute"
                else:
                    continue
                changed = True
                _give_up(machine.stored, record, reason)
        except (StoreError, OSError) as error:
            log.warning("bundle %s: this start is not counted: %s", machine.stored, error)
    return changed


def take_over(config: Config) -> None:
    """Count the first start of the bundles on trial that a running agent has taken over."""
    _each(config, Record.take_over, "this start is not counted")


def end_well(config: Config) -> None:
    """Forget the starts of this run: an orderly stop is no failure of a bundle's."""
    _each(config, Record.end_well, "this stop counts as a failed start")


def _each(config: Config, change: Callable[[Record], None], otherwise: str) -> None:
    """Change the record of every bundle that a machine has from its store; what cannot be changed is told."""
    for name in {m.stored for m in config.machines if m.stored}:
        try:
            with Store(Path(config.state), name).changing() as record:
                change(record)
        except (StoreError, OSError) as error:
            log.warning("bundle %s: %s: %s", name, otherwise, error)


def give_up(state: Path, name: str, sha256: str, reason: str, *, late: bool = False) -> bool:
    """Go back to the version before, if this one is active and on trial; return whether that was so.

    `late` says that it only took too long.
    """
    with Store(state, name).changing() as record:
        if record.committed or sha256[:12] not in record.active:
            return False
        _give_up(name, record, reason, late=late)
        return True


def journal(state: Path, names: set[str], historian: Historian) -> None:
    """Put changes of the stores that history does not have yet into it, as events."""
    for name in names:
        with Store(state, name).changing() as record:
            for entry in record.journal:
                if entry.number > record.recorded:
                    historian.event(name, "bundle", f"{entry.what}, by {entry.who}")
                    record.recorded = entry.number


def keep(parts: Parts) -> None:
    """Put the candidates' tallies on the disk."""
    for machine in parts.machines:
        if machine.candidate is not None:
            machine.candidate.keep()


def _report(parts: Parts, historian: Historian) -> None:
    """Put into the history how candidates do: hourly, and when they may be promoted."""
    for machine in parts.machines:
        if machine.candidate is not None and (news := machine.candidate.news()):
            historian.event(machine.name, "candidate", news)


def _give_up(name: str, record: Record, reason: str, *, late: bool = False) -> None:
    left = sequence_of(record.active)
    record.roll_back()
    now = f"back to {sequence_of(record.active)}" if record.active else "no version before, so no model"
    record.tell(AGENT, f"gave up {left}: {reason}; {now}", late=late)
    log.error("bundle %s: gave up sequence %d: %s; %s", name, left, reason, now)


@dataclass
class _Watched:
    """A bundle since `since` (the loop's time), when its machines had had so many results."""

    sha256: str
    since: float
    failures: int
    results: dict[str, int]
    done: bool = False


class Trial:
    """Looks at the bundles of a running agent. `reload` makes the agent read what is active again."""

    def __init__(self, state: Path, minute: float, reload: Callable[[], None]) -> None:
        self._state, self._minute, self._reload = state, minute, reload
        self._watched: dict[str, _Watched] = {}

    async def run(self, parts: Callable[[], Parts], historian: Historian) -> None:
        """Look once a second, for ever."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
            if looks % KEEP_EVERY == 0:
                await asyncio.to_thread(keep, parts())
                _report(parts(), historian)
            stored: dict[str, list[Machine]] = {}
            for machine in parts().machines:
                if machine.stored and not machine.model.bundle.absent:
                    stored.setdefault(machine.stored, []).append(machine)
            for name, machines in stored.items():
                try:
                    await self._look(name, machines, historian)
                except (StoreError, OSError) as error:
                    log.warning("bundle %s: its trial is not kept: %s", name, error)
                    self._watched[name].done = True

    async def _look(self, name: str, machines: list[Machine], historian: Historian) -> None:
        model, now = machines[0].model, asyncio.get_running_loop().time()
        watched = self._watched.get(name)
        if watched is None or watched.sha256 != model.bundle.sha256:
            watched = self._watched[name] = _watch(machines, now)
            watched.failures = 0
            record = await asyncio.to_thread(Store(self._state, name).read)
            watched.done = record.committed or watched.sha256[:12] not in record.active
        if watched.done:
            return
        if model.failures > watched.failures:
            watched = self._watched[name] = _watch(machines, now)
            if model.failures >= DEATHS:
                watched.done = True
                reason = f"its child failed {model.failures} times"
                if await asyncio.to_thread(give_up, self._state, name, watched.sha256, reason):
                    await asyncio.to_thread(journal, self._state, {name}, historian)
                    self._reload()
        elif now - watched.since >= self._minute and all(
            m.results - watched.results[m.name] >= RESULTS for m in machines
        ):
            watched.done = True
            await asyncio.to_thread(self._commit, name, watched.sha256)
            await asyncio.to_thread(journal, self._state, {name}, historian)

    def _commit(self, name: str, sha256: str) -> None:
        with Store(self._state, name).changing() as record:
            if sha256[:12] in record.active and not record.committed:
                record.commit()
                record.tell(AGENT, f"committed {sequence_of(record.active)}")
                log.info("bundle %s: sequence %d is committed", name, sequence_of(record.active))


def _watch(machines: list[Machine], now: float) -> _Watched:
    model = machines[0].model
    return _Watched(model.bundle.sha256, now, model.failures, {m.name: m.results for m in machines})
