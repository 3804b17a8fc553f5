"""One machine's cycle in the shell: inputs out of the image, the model asked, the result block written."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent.bundles.candidate import Candidate
from edge_agent.chronicle import Chronicle
from edge_agent.config import schema
from edge_agent.core.alarm import Order
from edge_agent.core.drift import Drift
from edge_agent.core.permit import Denied, Permit
from edge_agent.core.pipeline import Pipeline, Verdict
from edge_agent.core.resultblock import EARLY, ResultBlock, State
from edge_agent.core.since import Since
from edge_agent.core.states import Situation, state_of
from edge_agent.core.tags import Columns, Reason
from edge_agent.device import Outputs, Written
from edge_agent.explaining import explain
from edge_agent.following import FALL_BACK, Following
from edge_agent.historian import Historian
from edge_agent.inference.host import ModelHost
from edge_agent.intake import Intake, Taken
from edge_agent.publishing import Publisher
from edge_agent.upstream import Source

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a machine hangs together with the rest. `rows` says where in the image a tag stands."""

    rows: Mapping[str, int]
    outputs: Outputs | None = None
    following: Following | None = None
    stopped: Callable[[], bool] = lambda: False
    sources: Sequence[Source] = ()


class Machine:
    """A machine that a model watches."""

    def __init__(
        self, config: schema.Machine, model: ModelHost, historian: Historian, wiring: Wiring
    ) -> None:
        self._config, self.name, self.model = config, config.name, model
        self.mode, self.input_names, self.stored = config.mode, config.inputs, config.stored
        self._historian = historian
        self._pipeline = Pipeline(
            config.bundle.manifest, config.alarm.handling, config.mode, config.constants
        )
        self._intake = Intake(config)
        self._permit = Permit(config.permit.conditions) if config.permit else None
        self.denied = Denied.MODE
        self._rewired: Wiring | None = None
        self._exchanged: tuple[schema.Machine, ModelHost] | None = None
        self.publisher = Publisher(config.name, config.result, historian)
        self._chronicle = Chronicle(config.name, historian)
        self._wire(wiring)
        self.candidate: Candidate | None = None
        self._taken = Taken(-1, 0, 0.0, Columns.bad(len(config.inputs), Reason.NEVER_READ, 0))
        self._asked: Floats32 | None = None
        self.judged = -1
        """The tick of the verdict."""
        self._sequence = 0
        self.results = 0
        """Valid results since the start."""
        self._drift = Drift.of(config.bundle.manifest, config.drift)
        self._alarms_to_keep: list[Verdict] = []
        self._heartbeat_every = config.result.heartbeat if config.result else math.inf
        self.verdict = Verdict(state=State.STARTING, reason=Reason.WARMING_UP)
        self.since = Since()
        self._writing_since = math.inf

    def rewire(self, wiring: Wiring) -> None:
        """Say how it hangs together from the next `settle` on."""
        self._rewired = wiring

    def exchange(self, config: schema.Machine, model: ModelHost) -> None:
        """Run another bundle from the next `settle` on; nothing else in `config` is another."""
        self._exchanged = config, model

    def settle(self) -> None:
        """Take over what `rewire` and `exchange` said: the scan does so between two cycles."""
        if self._exchanged is not None:
            self._config, self.model = self._exchanged
            self._pipeline.exchange(self._config.bundle.manifest, self._config.constants)
            self._intake.exchange(self._config)
            self._drift = Drift.of(self._config.bundle.manifest, self._config.drift)
            self._exchanged = None
        if self._rewired is not None:
            self._wire(self._rewired)
            self._rewired = None

    def _wire(self, wiring: Wiring) -> None:
        self._intake.wire(wiring.rows, wiring.sources)
        # The last guard of the mode, whatever was wired.
        self.publisher.outputs = wiring.outputs if self.mode != "shadow" else None
        self._following = wiring.following if self.mode == "active" else None
        self._stopped = wiring.stopped

    @property
    def inputs(self) -> Columns:
        """What it took at its latest tick, in the bundle's order."""
        return self._taken.inputs

    @property
    def upstream(self) -> bool:
        """Whether it uses results of other machines."""
        return bool(self._intake.sources)

    @property
    def constants(self) -> tuple[float, ...]:
        """The machine's constants, in the bundle's order."""
        return self._config.constants

    @property
    def block(self) -> schema.Result | None:
        """The result block that it writes, if any."""
        return self._config.written

    def take(self, tick: int, image: Columns, now: int, wall: float) -> Floats32 | None:
        """Take this tick's inputs; return the model input if there is a whole window.

        `now` is monotonic, in ns, `wall` in seconds since 1970.
        """
        self._taken = taken = self._intake.take(tick, image, now, wall)
        if taken.gated is not None:
            self._pipeline.pause(*taken.gated)
            self._asked = None
        else:
            self._asked = self._pipeline.take(tick, taken.inputs, now, wall)
        return self._asked

    def judge(self, answer: Floats32 | Reason | None, now: int) -> None:
        """Judge the model's answer to what `take` returned."""
        before = self.verdict
        verdict = self._pipeline.conclude(self._asked, answer, now, self._taken.order)
        self.denied = self._may_write(verdict, now)
        situation = Situation(mode=self.mode, reason=verdict.reason, denied=self.denied)
        self.verdict = verdict = msgspec.structs.replace(verdict, state=state_of(situation))
        self.judged = self._taken.tick
        self.since.see(before, verdict, now)
        if verdict.valid:
            self.results += 1
            self._sequence = (self._sequence + 1) & 0xFFFF
            drifted = self._drift.see(self.inputs, verdict.readings, now) if self._drift else []
            self._chronicle.drifted(drifted)
        self._chronicle.state(before, verdict)
        if verdict.changed:
            self._alarms_to_keep.append(verdict)
        self._historian.result(self.name, self._sequence, self.inputs, verdict, now)
        if self.candidate is not None:
            self.candidate.watch(self._taken, verdict)

    async def explain(self) -> None:
        """Find the inputs that made an alarm which has come: asks the model."""
        reasons = self._pipeline.reasons
        if reasons is None:
            return
        found = await explain(reasons, self.model, self._config.bundle.manifest.period)
        if found is not None:
            output, causes = found
            self.verdict = msgspec.structs.replace(self.verdict, causes=reasons.answered(causes))
            self._chronicle.causes(output, causes)

    def _may_write(self, verdict: Verdict, now: int) -> Denied:
        if self._permit is None or self._following is None:
            return Denied.MODE
        permissive, beat, *identity = self._taken.signals
        said = self._permit.judge(
            permissive,
            beat,
            identity[0] if identity else None,
            valid=verdict.valid,
            now=now,
            outside=verdict.outside is not None and self._config.outside == "inhibit",
        )
        if self._stopped():
            return Denied.STOPPED
        if self.latched:
            return Denied.LATCHED
        return Denied.NOT_AUDITED if said is Denied.NOTHING and self._historian.unaudited else said

    async def finish(self, now: int) -> None:
        """Write the result block and what follows it. Skipped while the one before is still being written."""
        if self._writing_since < math.inf:
            return
        self._writing_since = asyncio.get_running_loop().time()
        try:
            # Committed before anybody is told: an alarm that the PLC saw can always be found again.
            while self._alarms_to_keep:
                await self._historian.alarm(self.name, self._alarms_to_keep.pop(0))
            await self._publish(now)
            if self._following is not None:
                denied = Denied.STOPPED if self._stopped() else self.denied
                await self._following.run(self.verdict, denied, now)
        finally:
            self._writing_since = math.inf

    @property
    def writing_since(self) -> float:
        """Since when it writes what it does, the loop's time; infinite while it writes nothing."""
        if self._following is None or self._writing_since == math.inf:
            return self._writing_since
        return max(self._writing_since, self._following.turned_at)

    def ask(self, order: Order) -> None:
        """Ask something of the alarms; one order is obeyed in a cycle. Raises `OrderRefused`."""
        self._intake.orders.put(order)

    @property
    def outputs_written(self) -> dict[Written, int]:
        """What became of writes of declared outputs; empty if there are none."""
        return self._following.written if self._following else {}

    @property
    def latched(self) -> bool:
        """Whether writing is off until it is re-armed, because something else writes there, too."""
        return self.publisher.latch.closed or (self._following is not None and self._following.latched)

    @property
    def written(self) -> dict[Written, int]:
        """What became of writes of the result block."""
        return self.publisher.written

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped all writing."""
        return self._stopped()

    def rearm(self) -> None:
        """Write again. Two more read-backs in a row that differ latch writing off again."""
        self.publisher.latch.rearm()
        if self._following is not None:
            self._following.rearm()

    def needs_beat(self, now: int) -> bool:
        """Whether the PLC would miss the heartbeat if nothing were written before the next result."""
        return now - self.publisher.written_at >= 1e9 * EARLY * self._heartbeat_every

    async def fall_back(self, now: int) -> None:
        """Write the fallbacks of its outputs where the PLC permits it: nothing will follow from here on."""
        permitted = self.denied is Denied.NOTHING or self.denied in FALL_BACK
        if self._following is not None and permitted and not (self.latched or self._stopped()):
            self.denied = Denied.NO_RESULT
            await self._following.run(self._off, self.denied, now)

    async def stop(self, now: int) -> None:
        """Tell the PLC that the agent stops on purpose."""
        self.verdict = self._off
        await self._publish(now)

    @property
    def _off(self) -> Verdict:
        before = self.verdict
        return Verdict(state=State.OFF, reason=Reason.STOPPED, alarm=before.alarm, bits=before.bits)

    async def _publish(self, now: int) -> None:
        if not (self.latched or self._stopped()):
            await self.publisher.publish(self._block, now)

    def _block(self, heartbeat: int) -> ResultBlock:
        verdict = self.verdict
        return ResultBlock(
            heartbeat=heartbeat,
            sequence=self._sequence,
            state=verdict.state,
            reason=verdict.reason,
            alarm=int(verdict.bits),
            score=verdict.score,
            value=verdict.readings[0].value if verdict.readings else math.nan,
            input_age_ms=self._taken.age_ms,
            input_quality=min(int(self.inputs.quality.min()), verdict.trust),
            reasons=tuple(cause.number for cause in verdict.causes),
            denied=self.denied,
            bundle=self.model.bundle.short_id,
        )

    @property
    def drift(self) -> dict[str, dict[str, float]]:
        """The last population stability index of each input and output, by ``hour`` and ``day``."""
        return self._drift.latest if self._drift else {}
