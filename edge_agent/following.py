"""A machine's declared outputs: followed while the PLC permits, each write audited first and read back."""

import asyncio
import logging
import math
from dataclasses import dataclass, field

from edge_agent.config.schema import Follow
from edge_agent.core.permit import Denied
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import AlarmBits
from edge_agent.core.tags import Quality
from edge_agent.core.writeback import Held, Output
from edge_agent.device import Outputs, Written
from edge_agent.historian import Historian
from edge_agent.history.audit import Entry
from edge_agent.latch import Latch

log = logging.getLogger(__name__)

_FOLLOWED = (Denied.NOTHING, Denied.NOT_AUDITED)
"""Tried again each cycle: only an audit that the disk takes shows that it takes them."""
FALL_BACK = (Denied.NO_RESULT, Denied.TOO_FEW_CYCLES, Denied.OUTSIDE_TRAINING)
"""The PLC permits writing, but there is nothing to follow. In any other case the PLC has the value."""


@dataclass(slots=True)
class Follower:
    """One declared output under way."""

    config: Follow
    output: Output
    compiled: Outputs
    latch: Latch = field(default_factory=Latch)


class Following:
    """Use `run` once a cycle. `model` and `config` are hashes that go into the audit."""

    def __init__(
        self, machine: str, followers: list[Follower], historian: Historian, model: str, config: str
    ) -> None:
        self._machine, self._followers, self._historian = machine, followers, historian
        self._model, self._config = model, config
        self.turned_at = 0.0
        """When it last turned to an output, the loop's time."""
        self.written: dict[Written, int] = dict.fromkeys(Written, 0)

    @property
    def latched(self) -> bool:
        """Whether writing is off, of all outputs because of one, until it is re-armed."""
        return any(follower.latch.closed for follower in self._followers)

    def rearm(self) -> None:
        """Write again, from what the PLC holds by then."""
        for follower in self._followers:
            follower.latch.rearm()
            follower.output.disarm()

    async def run(self, verdict: Verdict, denied: Denied, now: int) -> None:
        """Write what is due of every output; `now` is monotonic, in ns."""
        for follower in self._followers:
            self.turned_at = asyncio.get_running_loop().time()
            await self._one(follower, verdict, denied, now)

    async def _one(self, follower: Follower, verdict: Verdict, denied: Denied, now: int) -> None:
        output = follower.output
        if denied in _FOLLOWED:
            if not output.armed:
                await self._arm(follower)
            value, why = output.follow(_wish(follower.config, verdict), now), follower.config.follows
        elif denied in FALL_BACK and output.armed:
            value, why = output.fall_back(now), f"fallback, {denied.name}, {verdict.reason.name}"
        else:
            output.disarm()
            return
        if isinstance(value, Held):
            return
        await self._write(follower, value, why, now)

    async def _arm(self, follower: Follower) -> None:
        back = (await follower.compiled.device.read(follower.compiled.read_plan, 1))[0]
        if back.quality is not Quality.BAD:
            follower.output.arm(back.value)

    async def _write(self, follower: Follower, value: float, why: str, now: int) -> None:
        tag, output = follower.config.tag, follower.output
        entry = Entry(
            machine=self._machine,
            output=tag.name,
            old=output.value,
            new=value,
            why=why,
            model=self._model,
            config=self._config,
        )
        # No write that cannot be found again: what is not on the disk is not sent.
        if not await self._historian.audit(entry):
            return
        raw = (value - tag.offset) / tag.scale
        raw = (
            float(round(raw)) if math.isclose(raw, round(raw), rel_tol=1e-9) or follower.config.whole else raw
        )
        outcome, detail = await follower.compiled.device.write(follower.compiled, [raw])
        self.written[outcome] += 1
        output.written(raw * tag.scale + tag.offset if outcome is Written.VERIFIED else math.nan, now)
        latches = follower.latch.see(outcome)
        if outcome is not Written.VERIFIED:
            await self._failed(entry, outcome, detail, latches=latches)

    async def _failed(self, entry: Entry, outcome: Written, detail: str, *, latches: bool) -> None:
        log.warning("machine %s: output %s %s: %s", self._machine, entry.output, outcome.value, detail)
        await self._historian.audit(entry.outcome(f"{outcome.value} {detail}".strip()))
        if latches:
            log.error(
                "machine %s: writing is off until it is re-armed, something else writes %s",
                self._machine,
                entry.output,
            )


def _wish(config: Follow, verdict: Verdict) -> float:
    if config.follows == "alarm":
        return config.raised if verdict.bits & AlarmBits.ALARM else config.normal
    if config.follows == "warning":
        return config.raised if verdict.bits & (AlarmBits.ALARM | AlarmBits.WARNING) else config.normal
    return verdict.score if config.follows == "score" else verdict.readings[0].value
