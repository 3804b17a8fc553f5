"""An order for a bundle: installed through its canary and started, with the same commands as by hand.

What a candidate shows is looked at in the parts that run: a configuration may have come since the start.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from edge_agent import durable
from edge_agent.build import Parts
from edge_agent.bundle import LARGEST
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.config import Config
from edge_agent.core.comparison import shortfalls
from edge_agent.fleet.documents import Bundle, File, Shown, Stage, Version
from edge_agent.fleet.operator import Failed, edge_agent
from edge_agent.fleet.orders import Taken
from edge_agent.fleet.pieces import digest
from edge_agent.machine import Machine

Fetch = Callable[[File, int], Awaitable[bytes]]
Reached = Callable[[Stage], Awaitable[None]]


class Releases:
    """Carries out orders for bundles on one gateway."""

    def __init__(self, config: Config, parts: Callable[[], Parts]) -> None:
        self._file, self._state, self._parts = config.file, Path(config.state), parts

    async def begin(self, taken: Taken, bundle: Bundle, fetch: Fetch, reached: Reached) -> Stage:
        """Fetch, install and start a bundle. Raises `Failed`, `BadDocument`, `StoreError`."""
        installed = await asyncio.to_thread(self._installed, bundle)
        if bundle.do == "promote":
            return await self._promote(bundle, installed=installed)
        if not installed:
            data = await fetch(bundle.file, LARGEST)
            await reached("installing")
            taken.verdict = await self._install(data)
        await edge_agent(["bundle", bundle.do, f"{bundle.name}@{bundle.sequence}", *self._of()])
        return "trial" if bundle.do == "activate" else "candidate"

    async def _promote(self, bundle: Bundle, *, installed: bool) -> Stage:
        record = Store(self._state, bundle.name).read()
        if installed and sequence_of(record.active) == bundle.sequence:
            return "trial"
        if not installed or sequence_of(record.candidate) != bundle.sequence:
            raise Failed(f"{bundle.name}@{bundle.sequence} is not the candidate here")
        await edge_agent(["bundle", "promote", bundle.name, *self._of()])
        return "trial"

    def became(self, name: str, sequence: int) -> tuple[Stage, str] | None:
        """Return what became of a version on trial, None as long as that is not known."""
        return became(Store(self._state, name).read(), sequence)

    def version(self, name: str, taken: Taken | None) -> Version:
        """Return what there is of a bundle's name; of a store that cannot be read no more than that."""
        try:
            record = Store(self._state, name).read()
        except StoreError as error:
            return Version(active=0, committed=False, candidate=0, verdict=str(error))
        machines = [m for m in self._parts().machines if m.stored == name] if record.candidate else []
        shown = {machine.name: _shown(machine, record.candidate) for machine in machines}
        return Version(
            active=sequence_of(record.active),
            committed=record.committed,
            candidate=sequence_of(record.candidate),
            verdict=taken.verdict if taken else "",
            shown=shown,
            promotable=bool(shown) and not any(one.lacks for one in shown.values()),
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

    def _of(self) -> Sequence[str]:
        return ["--config", self._file]


def became(record: Record, sequence: int) -> tuple[Stage, str] | None:
    """Return what became of what was on trial with this sequence, None as long as that is not known."""
    if sequence_of(record.active) != sequence:
        return "rolled back", record.journal[-1].what
    return ("done", "") if record.committed else None


def _shown(machine: Machine, file: str) -> Shown:
    """Return what the candidate in `file` of the store has shown beside a machine."""
    candidate = machine.candidate
    if candidate is None or candidate.bundle.sha256[:12] not in file:
        return Shown(said="", lacks=["it does not run here yet"])
    return Shown(said=candidate.tally.text(), lacks=shortfalls(candidate.tally, candidate.wanted))
