"""Both certificates of a session that lives for months: whether they are trusted still, and until when.

What was decided when the session began is decided again once an hour, and as soon as somebody has changed the
folder of certificates.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure, deadline
from edge_agent.drivers.opcua.security import Agreed, issuers_of
from edge_agent.drivers.opcua.session import Session
from edge_agent.pki.certificate import Unreadable, common_name, is_self_signed
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.own import Own

EXAMINE = 3600.0
"""Seconds between two examinations though nobody changed the folder: certificates end by themselves."""
NOTICE = (30, 7, 1)
"""Days before the end of a certificate at which that is told."""


class Certificates:
    """Of one session, with the server that `agreed` is about. `tell` is told what people have to do, once."""

    def __init__(self, url: str, timeout: float, agreed: Agreed, tell: Callable[[str], None]) -> None:
        self._url, self._timeout, self._agreed, self._tell = url, timeout, agreed, tell
        self._folder = PkiFolder(agreed.asked.pki)
        self._examined_at, self._mark = -EXAMINE, self._folder.mark()
        self._taken = agreed.own

    @property
    def ends(self) -> dict[str, float]:
        """When each ends, in seconds since 1970: that of ``own``, and that of ``server``."""
        own, server = self._agreed.own.certificate, self._agreed.server
        both = {"own": own, "server": server}
        return {whose: one.not_valid_after_utc.timestamp() for whose, one in both.items()}

    async def examine(self) -> LinkDown | None:
        """Look again if it is time; return why the session has to end."""
        try:
            mark = await asyncio.to_thread(self._folder.mark)
            if mark == self._mark and time.monotonic() < self._examined_at + EXAMINE:
                return None
            # Taken before anything is read: what changes in between is read again.
            self._mark, self._examined_at = mark, time.monotonic()
            await asyncio.to_thread(self._still_trusted)
        except Insecure as refused:
            return refused
        except (Unreadable, OSError) as error:
            self._tell(f"its certificate cannot be examined, the session goes on: {error}")
            return None
        await self._look_after_ours()
        return None

    async def _look_after_ours(self) -> None:
        try:
            newest, *_ = await self._agreed.asked.own()
        except Insecure as unusable:
            self._tell(f"the session goes on, but the next will not begin: {unusable}")
            return
        for text in self._endings(newest, datetime.now(UTC)):
            self._tell(text)
        if newest != self._taken:
            await self._show(newest)

    def _still_trusted(self) -> None:
        self._agreed.asked.trusted(self._url, self._agreed.endpoint, self._folder, alive=True)

    def _endings(self, newest: Own, now: datetime) -> Iterator[str]:
        agreed = self._agreed
        successor = f"the server has to trust its successor {newest.file.name}"
        renewal = "have it renewed by who issued it, and put the new one into own/certs"
        ours = successor if newest != agreed.own else renewal
        if newest != agreed.own or not is_self_signed(agreed.own.certificate):
            yield from _ending(f"our certificate {agreed.own.file.name}", agreed.own.certificate, now, ours)
        name = f"the server's certificate {common_name(agreed.server.subject)}"
        yield from _ending(name, agreed.server, now, "have it renewed, and trust the new one")

    async def _show(self, newest: Own) -> None:
        """Come with our new certificate: the server takes it, or keeps it for its people to trust."""
        issuers = issuers_of(newest.certificate, self._folder.trust())
        session = Session(self._url, self._timeout, replace(self._agreed, own=newest, issuers=issuers))
        try:
            async with deadline(self._url, self._timeout):
                await session.open()
            self._taken = newest
        except Insecure as refused:
            if refused.ours:
                self._tell(f"does not take our new certificate {newest.file.name} yet: {refused.status}")
        except LinkDown:
            pass  # it has no session to spare: it is shown in an hour, or to the next session
        finally:
            await session.close()


def _ending(whose: str, certificate: x509.Certificate, now: datetime, what: str) -> Iterator[str]:
    end = certificate.not_valid_after_utc
    if end <= now:
        yield f"{whose} ended on {end:%Y-%m-%d}: this session goes on, no other is opened; {what}"
        return
    days = [days for days in NOTICE if end - now <= timedelta(days=days)]
    if days:
        left = f"{min(days)} day{'s' if min(days) > 1 else ''}"
        yield f"{whose} ends on {end:%Y-%m-%d}, within {left}; {what}"
