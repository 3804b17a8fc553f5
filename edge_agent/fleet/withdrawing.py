"""Files that no gateway needs any more, and orders for gateways that are no more, taken off the broker.

A gateway needs a file from its order until it has fetched it, after weeks, too; it is the office's orders and
the gateway's reports that say so. An empty retained message takes the one before away (MQTT 5.0, 3.3.1.3).
"""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from edge_agent.fleet.documents import BadDocument, Bundle, Command, Desired, Envelope, What, decoded
from edge_agent.fleet.office import FILES_KEPT, Kept, Office
from edge_agent.fleet.orders import BEGUN
from edge_agent.fleet.pieces import Index
from edge_agent.fleet.saying import some

UNDER_WAY = 3600.0
"""Seconds in which another desk may have brought a file and not told anybody of it yet."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A file at the broker.

    `what` are the orders that name it, `needed` the gateways that have not fetched it. In `left` seconds the
    broker drops it. A `problem` says that it is not known what belongs to it.
    """

    sha256: str
    what: str
    pieces: int
    size: int
    left: float
    needed: list[str]
    problem: str = ""

    @property
    def age(self) -> float:
        """Seconds since somebody brought it."""
        return FILES_KEPT - self.left if self.left < math.inf else math.inf

    def text(self) -> str:
        """The same for a person."""
        said = f"{self.what or self.sha256}, {self.size / 1e6:.1f} MB"
        if self.problem:
            return f"{self.sha256}: kept, because {self.problem}"
        if not self.needed:
            return f"{said}: needed by nobody; withdraw takes it off, or a rollout after an hour"
        until = ""
        if self.left < math.inf:
            until = f" until {datetime.fromtimestamp(time.time() + self.left, UTC):%Y-%m-%d}"
        return f"{said}: kept{until} for {some(self.needed)}"


async def held(office: Office) -> list[Held]:
    """Return every file at the broker. Raises MqttError."""
    orders = [desired for kept in (await office.kept("desired", "#")).values() if (desired := _order(kept))]
    indexes = await office.kept("file", "+", "index")
    return [_held(office, where.split("/")[-2], kept, orders) for where, kept in sorted(indexes.items())]


async def withdraw(office: Office, only: Sequence[str]) -> list[str]:
    """Take off every file that nobody needs, or only those of these SHA-256; return a line for each.

    Raises MqttError.
    """
    found = {one.sha256: one for one in await held(office)}
    said = [f"{sha256}: the broker has no such file" for sha256 in only if sha256 not in found]
    for sha256 in sorted(only or found):
        if one := found.get(sha256):
            free = not one.needed and not one.problem
            said.append(await _take_off(office, one) if free else one.text())
    return said


async def tidy(office: Office, own: str, began: float) -> list[str]:
    """After a rollout of the file `own` that began then (monotonic): take off what nobody needs.

    What was brought lately by somebody else stays. Return a line for each file that is gone, and for `own`.
    Raises MqttError.
    """
    said = []
    for one in await held(office):
        mine = one.sha256 == own and one.age > time.monotonic() - began - 2
        if not one.needed and not one.problem and (mine or one.age > UNDER_WAY):
            said.append(await _take_off(office, one))
        elif one.sha256 == own:
            said.append(one.text())
    return said


async def forget(office: Office, gateways: Sequence[str]) -> list[str]:
    """Clear orders and reports of gateways that are no more; return a line for each. Raises MqttError."""
    said = []
    for gateway in gateways:
        orders = await office.kept("desired", gateway, "#")
        for where in orders:
            await office.clear(*where.split("/")[2:])
        await office.clear("reported", gateway)
        said.append(f"{gateway}: {len(orders)} orders and its report are cleared")
    return said


async def _take_off(office: Office, one: Held) -> str:
    # The index last: what is left of an interrupted withdrawal is found by it.
    for piece in range(one.pieces):
        await office.clear("file", one.sha256, piece)
    await office.clear("file", one.sha256, "index")
    return f"{one.what or one.sha256}: withdrawn, {one.size / 1e6:.1f} MB"


def _held(office: Office, sha256: str, kept: Kept, orders: Sequence[Desired]) -> Held:
    naming = [order for order in orders if file_of(order.what) == sha256]
    what = ", ".join(sorted({order.what.text() for order in naming}))
    needed = sorted(order.gateway for order in naming if not _through(office, order))
    size, pieces, problem = 0, 0, ""
    try:
        index = decoded(kept.payload, Index)
        size, pieces = index.size, len(index.pieces)
    except BadDocument as error:
        problem = str(error)
    return Held(
        sha256=sha256,
        what=what,
        pieces=pieces,
        size=size,
        left=kept.left,
        needed=needed,
        problem=problem,
    )


def _order(kept: Kept) -> Desired | None:
    """Read an order, whoever signed it: it is gateways who check that."""
    try:
        return decoded(decoded(kept.payload, Envelope).body, Desired)
    except BadDocument:
        return None


def file_of(what: What) -> str:
    """Return the SHA-256 of the file that has to be fetched for an order, "" for none."""
    if isinstance(what, Command) or (isinstance(what, Bundle) and what.do == "promote"):
        return ""
    return what.file.sha256


def _through(office: Office, order: Desired) -> bool:
    """Whether a gateway has said that it has what its order names, or that it will not take it."""
    progress = office.progress(order.gateway, order.what.subject, order.number)
    return progress is not None and progress.stage not in BEGUN
