"""Which state a machine is in: one table, which is the code and the picture in the documents.

After NAMUR NE 194, where a monitoring function shows whether it may be relied on.
"""

from collections.abc import Callable
from functools import cache

import msgspec

from edge_agent.core.permit import Denied
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason

BEGINNING = (Reason.WARMING_UP, Reason.MACHINE_SETTLING)
MODEL_REASONS = (Reason.MODEL_DOWN, Reason.MODEL_LATE, Reason.MODEL_NOT_FINITE)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What decides. `mode` is the configuration's, `reason` why there is no result, NONE if there is one."""

    mode: str
    reason: Reason
    denied: Denied = Denied.MODE


Rule = tuple[State, str, Callable[[Situation], bool]]

TABLE: tuple[Rule, ...] = (
    (State.OFF, "the agent was stopped on purpose", lambda s: s.reason is Reason.STOPPED),
    (State.READY, "the machine does not run", lambda s: s.reason is Reason.MACHINE_IDLE),
    (State.STARTING, "the machine settles, or the window is filling", lambda s: s.reason in BEGINNING),
    (State.FAULT, "the model does not answer, or answers nonsense", lambda s: s.reason in MODEL_REASONS),
    (State.FALLBACK, "an input stands in the way", lambda s: s.reason is not Reason.NONE),
    (State.SHADOW, "mode shadow: nothing is written", lambda s: s.mode == "shadow"),
    (State.ADVISORY, "mode advisory: the result block is written", lambda s: s.mode == "advisory"),
    (State.READY, "mode active, but something denies writing", lambda s: s.denied is not Denied.NOTHING),
    (State.ACTIVE, "mode active: declared outputs are written, too", lambda _: True),
)
"""The first row that applies decides."""


@cache
def state_of(situation: Situation) -> State:
    """Return the state. There are few situations, and every machine asks twice a cycle."""
    return next(state for state, _, applies in TABLE if applies(situation))
