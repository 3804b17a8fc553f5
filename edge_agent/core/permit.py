"""Whether declared outputs may be written now: the PLC's permissive, heartbeat and identity, our record."""

from enum import IntEnum

import msgspec

from edge_agent.core.tags import Quality, Sample

_NS = 1_000_000_000


class Denied(IntEnum):
    """Why outputs may not be written. The PLC reads this number in the result block: never renumber."""

    NOTHING = 0
    MODE = 1  # shadow or advisory
    STOPPED = 2  # somebody stopped all writing
    LATCHED = 3  # writing is off until it is re-armed
    PERMISSIVE = 4
    PLC_HEARTBEAT = 5
    IDENTITY = 6
    TOO_FEW_CYCLES = 7
    NO_RESULT = 8
    OUTSIDE_TRAINING = 9  # a result, but of inputs such as the model was not trained on
    NOT_AUDITED = 10  # the disk takes no audit of a write


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What has to hold. `heartbeat` is in seconds, `cycles` are good results in a row.

    `identity` is the number that the PLC shows for its program and register map; None asks for none.
    """

    heartbeat: float = 2.0
    identity: float | None = None
    cycles: int = 10


class Permit:
    """Judges once a cycle. A sample that is not GOOD permits nothing."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._beat = float("nan")
        self._beat_at: int | None = None
        self._good = 0

    def judge(
        self,
        permissive: Sample,
        beat: Sample,
        identity: Sample | None,
        *,
        valid: bool,
        now: int,
        outside: bool = False,
    ) -> Denied:
        """Take the PLC's signals of one cycle and whether its result is valid; `now` is monotonic, in ns.

        A result of inputs `outside` of what the model was trained on counts for nothing.
        """
        self._good = self._good + 1 if valid and not outside else 0
        if beat.quality is Quality.GOOD and beat.value != self._beat:
            # The first value seen is no beat: a PLC that stands still shows one, too.
            self._beat_at = now if self._beat == self._beat else None
            self._beat = beat.value
        if permissive.quality is not Quality.GOOD or permissive.value == 0:
            return Denied.PERMISSIVE
        if self._beat_at is None or now - self._beat_at > self._conditions.heartbeat * _NS:
            return Denied.PLC_HEARTBEAT
        if identity is not None and (
            identity.quality is not Quality.GOOD or identity.value != self._conditions.identity
        ):
            return Denied.IDENTITY
        if not valid:
            return Denied.NO_RESULT
        if outside:
            return Denied.OUTSIDE_TRAINING
        return Denied.TOO_FEW_CYCLES if self._good < self._conditions.cycles else Denied.NOTHING
