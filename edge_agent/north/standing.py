"""How what is told to the north stands, as the status, the page and the metrics show it."""

import time

import msgspec


class MqttStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The way to the broker. All counts are of results.

    `connected` says that results are told now, `since` when that changed; a primary host that is offline is
    as good as no broker. `error` is why not, or why not the last time. `waiting` are those in the history
    that are not told yet, `oldest` the time of the first of them, and `room` the share that they take of what
    the history may hold: at 1 the oldest are dropped. `told` counts since the start, `dropped` for ever.
    Times are in seconds since 1970.
    """

    broker: str
    connected: bool
    since: float
    error: str
    waiting: int
    oldest: float | None
    room: float
    told: int
    dropped: int


class OpcUaServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The OPC UA server's process.

    `listening` says that clients can connect, `since` when that changed, in seconds since 1970; `error` why
    not, or why not the last time. `starts` counts processes, `clients` open sessions.
    """

    endpoint: str
    listening: bool
    since: float
    error: str
    starts: int
    clients: int


def wall(monotonic: float) -> float:
    """Return seconds since 1970 of a time of `time.monotonic`."""
    return time.time() - time.monotonic() + monotonic
