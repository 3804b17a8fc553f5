"""What can go wrong with the rig, and how far it has got."""

from enum import IntEnum

import msgspec

STUCK_SIGNAL = "vibration"
DRIFTING_SIGNAL = "bearing_temp"
DEFAULT_DEVELOPMENT = 20.0


class FaultKind(IntEnum):
    """The code in the fault injection register. Clients write this number: never renumber."""

    NONE = 0
    BEARING_WEAR = 1
    CAVITATION = 2
    SENSOR_STUCK = 3
    SENSOR_DRIFT = 4

    @classmethod
    def named(cls, name: str) -> "FaultKind":
        """Return the kind with this name, ``bearing_wear`` for instance. Raises KeyError."""
        return cls[name.upper()]

    @property
    def label(self) -> str:
        """The name as commands and CSV files have it."""
        return self.name.lower()


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that starts at `start` and is fully developed `development` later, both in seconds.

    `signal` is the faulty sensor and matters only for the two sensor faults.
    """

    kind: FaultKind
    start: float = 0.0
    development: float = DEFAULT_DEVELOPMENT
    signal: str = ""

    def severity(self, now: float) -> float:
        """Return 0 before the start, 1 when fully developed. A stuck sensor is stuck at once."""
        if self.kind is FaultKind.NONE or now < self.start:
            return 0.0
        if self.kind is FaultKind.SENSOR_STUCK or self.development <= 0:
            return 1.0
        return min((now - self.start) / self.development, 1.0)

    @property
    def sensor(self) -> str:
        """The sensor that lies, or an empty string if the machine itself is at fault."""
        if self.kind is FaultKind.SENSOR_STUCK:
            return self.signal or STUCK_SIGNAL
        if self.kind is FaultKind.SENSOR_DRIFT:
            return self.signal or DRIFTING_SIGNAL
        return ""
