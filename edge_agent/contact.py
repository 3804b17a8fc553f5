"""Whether a device answers: told once when it stops and once when it answers again, and when to try again."""

import asyncio
import logging
import random

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 0.2, 5.0
"""Seconds between attempts to connect: doubled from the first to the last, with jitter."""
ANSWERS, STANDING = 10, 5.0
"""Answers, or seconds since the first of them, that show that a connection stood."""


class Contact:
    """With one device. `reason` is why its tags are BAD while it is lost."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.healthy: bool | None = None
        """Whether the last request was answered as it should be; None before the first."""
        self.failures = 0
        self.reason = Reason.NO_LINK
        self._attempts = self._answers = 0
        self._patience = 0.0
        self._since = 0.0
        """When it began to be as it is, healthy or not."""
        self._told = ""

    def answered(self) -> None:
        """A request was answered as it should be."""
        self._answers += 1
        if not self.healthy:
            now = _seconds()
            after = f" after {now - self._since:.1f} s" if self.healthy is False else ""
            log.info("device %s: answers%s", self._device, after)
            self.healthy, self._since = True, now

    def lost(self, error: LinkDown) -> None:
        """The connection is gone, or there is none to be had."""
        self.failures += 1
        self.reason, self._patience = error.reason, error.patience
        was_up, now = self.healthy is not False, _seconds()
        if self.healthy and self._stood(error, now):
            self._attempts = 0
        self._answers = 0
        if was_up:
            self.healthy, self._since = False, now
        # What somebody has to put right is told even if the link had been down for another cause.
        if was_up or (error.patience and self._told != str(error)):
            self._told = str(error)
            log.warning("device %s: %s; its tags are BAD until it answers", self._device, error)

    def _stood(self, error: LinkDown, now: float) -> bool:
        """Whether a connection that answered is worth an attempt at once. Silence has cost its deadline."""
        return error.reason is Reason.TIMEOUT or self._answers >= ANSWERS or now - self._since >= STANDING

    def next_pause(self) -> float:
        """Count an attempt to connect; return the seconds to wait before it."""
        before, self._attempts = self._attempts, self._attempts + 1
        if before == 0:
            return 0.0
        longest = self._patience or min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(before - 1, 10))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _seconds() -> float:
    return asyncio.get_running_loop().time()
