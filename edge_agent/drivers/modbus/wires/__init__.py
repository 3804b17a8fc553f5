"""What carries bytes to a device: TCP, TLS, UDP, a serial line. None ever blocks."""

from typing import Protocol


class Misconfigured(OSError):
    """What only people can put right, such as a certificate."""


class Listener(Protocol):
    """Who gets what a wire has to say. A wire that was closed says nothing any more."""

    def received(self, data: bytes) -> None:
        """Take bytes, or one whole datagram."""
        ...

    def lost(self, why: str) -> None:
        """Learn that the wire is gone."""
        ...


class Wire(Protocol):
    """An open connection."""

    def send(self, data: bytes) -> None:
        """Send without waiting. A failure is told by `Listener.lost`."""
        ...

    def unread(self) -> bool:
        """Whether something has arrived that the listener has not been given yet."""
        ...

    def close(self) -> None:
        """Close at once, with whatever is still unsent or unread. May be called twice."""
        ...


class Endpoint(Protocol):
    """Where a wire leads. ``str()`` names it for people."""

    async def open(self, listener: Listener, timeout: float) -> Wire:
        """Open a wire within `timeout` seconds. Raises OSError, also as TimeoutError or `Misconfigured`."""
        ...
