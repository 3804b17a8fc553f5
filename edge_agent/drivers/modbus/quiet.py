"""Until when nothing may be sent on a connection. Pure: the time is an argument, in seconds.

A line without transaction numbers must be silent before a request, or a late answer would be taken for the
one that is due; docs/decisions/0009 says why.
"""

MOST_NOISE = 4096
"""Bytes that nobody asked for, between two requests, after which a line is given up."""


class Quiet:
    """Nothing may be sent before `until`.

    `pause` follows connecting, `delay` an answer. A line is `numbered` if late answers show as such.
    """

    def __init__(self, pause: float, delay: float, *, numbered: bool) -> None:
        self._pause, self._delay, self._numbered = pause, delay, numbered
        self.until = 0.0
        self._noise = 0

    def connected(self, now: float) -> None:
        """Give a device the time that it needs before its first request."""
        self._keep(now + self._pause)

    def sent(self) -> None:
        """What comes from now on was asked for."""
        self._noise = 0

    def answered(self, now: float) -> None:
        """Keep the distance between an answer and the next request."""
        if self._delay:
            self._keep(now + self._delay)

    def missed(self, settle: float, now: float) -> None:
        """Wait until nothing late can arrive any more, where it could not be told from what is due."""
        if not self._numbered:
            self.until = now + settle

    def disturbed(self, count: int, now: float) -> bool:
        """Wait for silence after bytes that nobody asked for; False if they were too many."""
        self._noise += count
        self._keep(now + self._delay)
        return self._noise <= MOST_NOISE

    def _keep(self, until: float) -> None:
        self.until = max(self.until, until)
