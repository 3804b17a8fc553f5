"""OPC UA: one cyclic Read for a scan class, one typed Write for a set of outputs.

Importing this module imports asyncua (0.5 s, 25 MB): do so only to construct a driver. Everything a
restart of the server may change (namespace indices, types, limits) is asked for on every connection.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from asyncua import ua

from edge_agent.core.tags import Columns, Grader, Reason, Tag
from edge_agent.drivers import LinkDown, Refused
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.security import Agreed, Security
from edge_agent.drivers.opcua.session import Session, attribute

_log = logging.getLogger(__name__)

_INTEGERS = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_FLOATS = {ua.VariantType.Float, ua.VariantType.Double}
_NUMBERS = {ua.VariantType.Boolean, *_INTEGERS, *_FLOATS}
_FLOAT_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False, slots=True)
class ReadPlan:
    """A scan class."""

    tags: tuple[Tag, ...]
    addresses: tuple[NodeAddress, ...]
    grader: Grader


@dataclass(frozen=True, eq=False, slots=True)
class WritePlan:
    """Outputs that are always written together."""

    tags: tuple[Tag, ...]
    addresses: tuple[NodeAddress, ...]


class OpcUa:
    """One session with one OPC UA server, anonymous and open without `security`. Implements `drivers.Driver`.

    The address of a tag is a `NodeAddress`. `url` is ``opc.tcp://host:port``; `timeout`, in s, bounds
    each request and each attempt to open a session. Raises ValueError if `url` is not such a URL.
    """

    def __init__(self, url: str, timeout: float, security: Security | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
            raise ValueError(f"{url!r} is not an OPC UA address: write opc.tcp://host:port")
        self.url = url
        self.timeout = timeout
        self.on_lost: Callable[[LinkDown], None] | None = None
        self._security = security
        self._plans: list[ReadPlan | WritePlan] = []
        self._session: Session | None = None
        self._nodes: dict[ReadPlan | WritePlan, list[ua.ReadValueId]] = {}  # of this session
        self._types: dict[WritePlan, list[ua.VariantType]] = {}  # of this session
        self._warned: set[str] = set()

    def plan_read(self, tags: Sequence[Tag]) -> ReadPlan:
        """Compile a scan class."""
        plan = ReadPlan(tuple(tags), _addresses(tags), Grader(list(tags)))
        self._plans.append(plan)
        return plan

    def plan_write(self, tags: Sequence[Tag]) -> WritePlan:
        """Compile a set of outputs."""
        plan = WritePlan(tuple(tags), _addresses(tags))
        self._plans.append(plan)
        return plan

    async def connect(self) -> None:
        """Open a fresh session; resolve the namespaces of all tags and the types of all outputs.

        Raises:
            LinkDown: no session, or the server does not have a namespace; `Insecure` if one side refuses the
                other's certificate or the login.
        """
        await self.close()
        if self._security is None:
            await self._open(None)
            return
        own = await self._security.own()
        async with _deadline(self.url, self.timeout):
            agreed = await self._security.agree(self.url, self.timeout, own)
        for one in agreed:
            try:
                await self._open(one)
            except Insecure as refused:
                await self.close()
                if one is agreed[-1] or not refused.ours:
                    raise
                name = one.own.file.name
                self._warn_once(f"does not take our new certificate {name} yet: {refused.status}")
            else:
                break

    async def _open(self, agreed: Agreed | None) -> None:
        session = self._session = Session(self.url, self.timeout, agreed)
        async with _deadline(self.url, self.timeout):
            await session.open()
            await self._resolve(session)

    async def _resolve(self, session: Session) -> None:
        self._nodes = {
            plan: [attribute(_node_id(address, session)) for address in plan.addresses]
            for plan in self._plans
        }
        self._types = {}
        for plan in self._plans:
            if isinstance(plan, WritePlan):
                try:
                    self._types[plan] = await self._output_types(session, plan)
                except Refused as error:  # the inputs may be well, and each write will say it again
                    self._warn_once(f"cannot be written: {error}")

    async def read(self, plan: ReadPlan) -> Columns:
        """Read the Value of every tag (Part 4, 5.10.2), in as few requests as the server allows.

        Raises:
            LinkDown: no answer, or one that does not fit.
        """
        answers = await self._connected().read(self._nodes[plan])
        at = time.monotonic_ns()
        raw = np.zeros(len(answers))
        reason = np.zeros(len(answers), np.uint8)
        for row, answer in enumerate(answers):
            raw[row], reason[row] = self._row(plan.tags[row], answer)
        return plan.grader.grade(raw, reason, at)

    def _row(self, tag: Tag, answer: ua.DataValue) -> tuple[float, Reason]:
        value, status = answer.Value.Value, answer.StatusCode
        if status.is_bad():
            return 0.0, Reason.DEVICE_REFUSED
        if not isinstance(value, bool | int | float):
            kind = "an array" if answer.Value.is_array else answer.Value.VariantType.name
            self._warn_once(f"{tag.name} ({tag.address}) is not a number but {kind}")
            return 0.0, Reason.DEVICE_REFUSED
        return float(value), Reason.DEVICE_UNCERTAIN if status.is_uncertain() else Reason.NONE

    async def write(self, plan: WritePlan, values: Sequence[float]) -> None:
        """Write all values in one request (Part 4, 5.10.4), each in exactly its node's type.

        Raises:
            LinkDown: no answer; what was written is unknown.
            Refused: a node is unknown, not writable, no number, of a type that cannot hold its value (then
                nothing was sent), or its status came back Bad.
        """
        session = self._connected()
        if plan not in self._types:
            self._types[plan] = await self._output_types(session, plan)
        rows = zip(plan.tags, self._nodes[plan], self._types[plan], values, strict=True)
        results = await session.write([_item(tag, node, kind, value) for tag, node, kind, value in rows])
        answers = zip(plan.tags, results, strict=True)
        _refuse([_said(tag, status) for tag, status in answers if not status.is_good()])

    async def _output_types(self, session: Session, plan: WritePlan) -> list[ua.VariantType]:
        kinds = (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.AccessLevel)
        asked = [attribute(node.NodeId, kind) for node in self._nodes[plan] for kind in kinds]
        answers = await session.read(asked)
        types, problems = [], []
        for row, tag in enumerate(plan.tags):
            three = answers[3 * row : 3 * row + 3]
            bad = [answer.StatusCode for answer in three if answer.StatusCode.is_bad()]
            match [answer.Value.Value for answer in three]:
                case _ if bad:
                    problems.append(_said(tag, bad[0]))
                case [ua.NodeId() as data_type, int(rank), int(access)]:
                    kind = await session.variant_type(data_type)
                    types.append(kind)
                    if kind not in _NUMBERS or rank >= 0:
                        problems.append(f"{tag.name} ({tag.address}) is not a single number of a known type")
                    elif not access & 1 << ua.AccessLevel.CurrentWrite:
                        problems.append(_said(tag, ua.StatusCode(ua.StatusCodes.BadNotWritable)))
                case _:
                    problems.append(f"{tag.name} ({tag.address}) does not tell its type")
        _refuse(problems)
        return types

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _log.warning("%s: %s", self.url, text)

    def _connected(self) -> Session:
        if self._session is None:
            raise LinkDown(f"{self.url} is not connected")
        return self._session

    async def close(self) -> None:
        """Close within `session.CLOSE_GRACE`, whatever the server does."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@asynccontextmanager
async def _deadline(url: str, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LinkDown(f"{url}: no session within {seconds:g} s", Reason.TIMEOUT) from None


def _addresses(tags: Sequence[Tag]) -> tuple[NodeAddress, ...]:
    addresses = tuple(tag.address for tag in tags if isinstance(tag.address, NodeAddress))
    if len(addresses) != len(tags):
        raise TypeError("the address of an OPC UA tag is a NodeAddress")
    return addresses


def _node_id(address: NodeAddress, session: Session) -> ua.NodeId:
    index = address.namespace
    if isinstance(index, str):
        if index not in session.namespaces:
            known = ", ".join(map(str, session.namespaces))
            raise LinkDown(f"{session.url} has no namespace {index}; it has {known}", Reason.DEVICE_REFUSED)
        index = session.namespaces.index(index)
    return ua.NodeId(address.identifier, index)


def _item(tag: Tag, node: ua.ReadValueId, kind: ua.VariantType, value: float) -> ua.WriteValue:
    # Several servers refuse a write that carries a status or a timestamp, so this one has neither.
    data = ua.DataValue(ua.Variant(_typed(tag, kind, value), kind), StatusCode=None)
    return ua.WriteValue(NodeId=node.NodeId, AttributeId=ua.AttributeIds.Value, Value=data)


def _typed(tag: Tag, kind: ua.VariantType, value: float) -> float:
    number = float(value)
    if kind == ua.VariantType.Boolean:
        fits = number in {0.0, 1.0}
    elif kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        fits = number.is_integer() and low <= int(number) <= high
    else:
        fits = kind == ua.VariantType.Double or abs(number) <= _FLOAT_MAX or not math.isfinite(number)
    if not fits:
        raise Refused(f"{tag.name} ({tag.address}): {kind.name} cannot hold {value!r}")
    return number if kind in _FLOATS else int(number)


def _said(tag: Tag, status: ua.StatusCode) -> str:
    return f"{tag.name} ({tag.address}): {status.name}"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise Refused("; ".join(problems))
