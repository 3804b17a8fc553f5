"""An order brought to many gateways stage by stage, which stops by itself."""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.fleet.documents import What
from edge_agent.fleet.office import Office
from edge_agent.fleet.saying import some

WELL = ("done", "candidate")
ILL = ("refused", "rolled back")


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """When the next stage may begin: at least the share `ready` is well and no more than `failures` are not.

    `timeout` is in seconds. Who has not answered by then is not waited for: it finds its order on its return.
    """

    ready: float = 0.9
    failures: int = 0
    timeout: float = 3600.0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one stage went: the gateways that are well, that failed, and that have not said."""

    stage: list[str]
    well: list[str]
    failed: list[str]
    silent: list[str]
    passed: bool

    def text(self) -> str:
        """The same for a person."""
        parts = [f"{len(self.well)} of {len(self.stage)} well"]
        for word, names in (("failed", self.failed), ("silent", self.silent)):
            if names:
                parts.append(f"{word}: {some(names)}")
        return "; ".join(parts)


async def roll_out(
    office: Office,
    stages: list[list[str]],
    *,
    what: What,
    key: Ed25519PrivateKey,
    gate: Gate,
    say: Callable[[str], None],
) -> bool:
    """Bring it to one stage after the other; return False at the first that does not pass the gate."""
    for number, stage in enumerate(stages, 1):
        if not stage:
            continue
        say(f"stage {number} of {len(stages)}: {some(stage)}")
        order = await office.order(stage, what, key)
        found = await outcome(office, stage, what.subject, order, gate)
        say(f"stage {number}: {found.text()}")
        for name in found.failed:
            if progress := office.progress(name, what.subject, order):
                say(f"  {name}: {progress.stage}: {progress.detail}")
        if not found.passed:
            say("stopped: the gate of this stage is not passed; nobody else was told")
            return False
    return True


async def outcome(office: Office, stage: list[str], subject: str, number: int, gate: Gate) -> Outcome:
    """Wait until a stage may be judged, and judge it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(gate.timeout):
            while True:
                found = _judge(office, stage, subject, number, gate)
                if not found.silent or len(found.failed) > gate.failures:
                    return found
                await office.news()
    return _judge(office, stage, subject, number, gate)


def _judge(office: Office, stage: list[str], subject: str, number: int, gate: Gate) -> Outcome:
    of = {name: found for name in stage if (found := office.progress(name, subject, number))}
    well = [name for name, found in of.items() if found.stage in WELL]
    failed = [name for name, found in of.items() if found.stage in ILL]
    silent = [name for name in stage if name not in well and name not in failed]
    passed = len(failed) <= gate.failures and len(well) >= gate.ready * len(stage)
    return Outcome(stage=stage, well=well, failed=failed, silent=silent, passed=passed)
