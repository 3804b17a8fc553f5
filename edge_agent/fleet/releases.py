"""An order for a bundle: installed through its canary and started, with the same commands as by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge_agent import durable
from edge_agent.bundle import LARGEST
from edge_agent.bundles.candidate import read_tally, tally_path
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.config import Config
from edge_agent.core.comparison import Tally
from edge_agent.fleet.documents import Bundle, File, Stage, Version
from edge_agent.fleet.operator import Failed, edge_agent
from edge_agent.fleet.orders import Taken
from edge_agent.fleet.pieces import digest

Fetch = Callable[[File, int], Awaitable[bytes]]
Reached = Callable[[Stage], Awaitable[None]]


class Releases:
    """Carries out orders for bundles on one gateway."""

    def __init__(self, config: Config) -> None:
        self._config, self._state = config, Path(config.state)

    async def begin(self, taken: Taken, bundle: Bundle, fetch: Fetch, reached: Reached) -> Stage:
        """Fetch, install and start a bundle. Raises `Failed`, `BadDocument`, `StoreError`."""
        if not await asyncio.to_thread(self._installed, bundle):
            data = await fetch(bundle.file, LARGEST)
            await reached("installing")
            taken.verdict = await self._install(data)
        await edge_agent(["bundle", bundle.do, f"{bundle.name}@{bundle.sequence}", *self._of()])
        return "trial" if bundle.do == "activate" else "candidate"

    def became(self, name: str, sequence: int) -> tuple[Stage, str] | None:
        """Return what became of a version on trial, None as long as that is not known."""
        return became(Store(self._state, name).read(), sequence)

    def version(self, name: str, taken: Taken | None) -> Version:
        """Return what there is of a bundle's name; of a store that cannot be read no more than that."""
        try:
            record = Store(self._state, name).read()
        except StoreError as error:
            return Version(active=0, committed=False, candidate=0, verdict=str(error))
        verdicts = [taken.verdict if taken else "", *self._tallies(name, record)]
        return Version(
            active=sequence_of(record.active),
            committed=record.committed,
            candidate=sequence_of(record.candidate),
            verdict="; ".join(filter(None, verdicts)),
        )

    def _installed(self, bundle: Bundle) -> bool:
        store = Store(self._state, bundle.name)
        file = store.versions().get(bundle.sequence)
        return file is not None and digest((store.folder / file).read_bytes()) == bundle.file.sha256

    async def _install(self, data: bytes) -> str:
        path = self._state / "fleet.bundle"
        try:
            await asyncio.to_thread(durable.replace, path, data)
            said = await edge_agent(["bundle", "install", str(path), "--json", *self._of()])
        except OSError as error:
            raise Failed(f"{path}: {error.strerror}") from None
        finally:
            path.unlink(missing_ok=True)
        canary = json.loads(said)["canary"]
        return f"canary: a call takes {canary['p50']:.0f} us (p99 {canary['p99']:.0f} us)"

    def _of(self) -> list[str]:
        return ["--config", self._config.file]

    def _tallies(self, name: str, record: Record) -> list[str]:
        """Return what the candidate has shown beside each machine."""
        if not record.candidate:
            return []
        found = []
        for machine in self._config.machines:
            tally = read_tally(tally_path(Store(self._state, name).folder, machine.name))
            if machine.stored == name and tally is not None:
                found.append(f"{machine.name}: {_said(tally)}")
        return found


def became(record: Record, sequence: int) -> tuple[Stage, str] | None:
    """Return what became of what was on trial with this sequence, None as long as that is not known."""
    if sequence_of(record.active) != sequence:
        return "rolled back", record.journal[-1].what
    return ("done", "") if record.committed else None


def _said(tally: Tally) -> str:
    return (
        f"{tally.cycles} cycles, {tally.flips} flips, {tally.missed} missed, "
        f"alarms of one alone {tally.only_active + tally.only_candidate}"
    )
