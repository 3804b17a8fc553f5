"""What a machine takes out of the image: its inputs, whether it runs, the PLC's signals and buttons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_agent.config import schema
from edge_agent.core.alarm import Command, Order
from edge_agent.core.gate import Gatekeeper
from edge_agent.core.orders import Orders
from edge_agent.core.tags import Columns, Reason, Sample
from edge_agent.upstream import Source, fill


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken at a tick: `now` is monotonic, in ns, `wall` in seconds since 1970."""

    tick: int
    now: int
    wall: float
    inputs: Columns
    gated: tuple[Reason, str] | None = None
    """Why there is to be no score, and whose fault, if the machine is not looked at."""
    signals: Sequence[Sample] = ()
    """What the PLC says about writing: permissive, heartbeat, and identity if it is asked for."""
    order: Order | None = None

    @property
    def age_ms(self) -> int:
        """The age of the oldest input."""
        return (self.now - int(self.inputs.at.min())) // 1_000_000


class Intake:
    """Of one machine. `wire` says where everything stands."""

    def __init__(self, config: schema.Machine) -> None:
        self._gate = Gatekeeper(config.gate) if config.gate else None
        self.sources: Sequence[Source] = ()
        self.exchange(config)

    def exchange(self, config: schema.Machine) -> None:
        """Go on for another bundle; nothing else in `config` is another."""
        self._config, self.orders = config, Orders(config.bundle.manifest)

    def wire(self, rows: Mapping[str, int], sources: Sequence[Source]) -> None:
        """Take tags from these rows of the image, and what `sources` stand for from other machines."""
        alarm, permit = self._config.alarm, self._config.permit
        # Where a result of another machine stands, `fill` puts it over whatever is in the first row.
        computed = {source.place for source in sources}
        places = enumerate(self._config.inputs)
        self._rows = _rows(0 if at in computed else rows[name] for at, name in places)
        self.sources = sources
        self._gate_rows = _rows(rows[name] for name in (self._gate.tags if self._gate else ()))
        named = ((Command.ACKNOWLEDGE, alarm.acknowledge), (Command.RESET, alarm.reset))
        self._buttons = [(command, rows[name]) for command, name in named if name]
        names = (permit.permissive, permit.heartbeat, permit.identity) if permit else ()
        self._signal_rows = [rows[name] for name in names if name]

    def take(self, tick: int, image: Columns, now: int, wall: float) -> Taken:
        """Take what there is at a tick."""
        inputs = image.take(self._rows)
        fill(inputs, self.sources, tick)
        return Taken(
            tick,
            now,
            wall,
            inputs,
            gated=self._gated(image, now),
            signals=[image[row] for row in self._signal_rows],
            order=self.orders.next(self._buttons, image),
        )

    def _gated(self, image: Columns, now: int) -> tuple[Reason, str] | None:
        if self._gate is None:
            return None
        reason, culprit = self._gate.judge(image.take(self._gate_rows), now)
        return (reason, culprit) if reason is not Reason.NONE else None


def _rows(rows: Iterable[int]) -> npt.NDArray[np.intp]:
    return np.fromiter(rows, np.intp)
