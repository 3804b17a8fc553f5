"""What the variables of a server are: type, value, unit and range, and which parts of it tags can hold."""

from collections.abc import Sequence
from typing import Any

from asyncua import ua

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.address import BrowsePath, NodeId
from edge_agent.drivers.opcua.browse import Found, Node, tree
from edge_agent.drivers.opcua.datatypes import DataTypes
from edge_agent.drivers.opcua.holding import apart, held
from edge_agent.drivers.opcua.references import References
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.structures import Decoder, NoSuchField
from edge_agent.drivers.opcua.typenames import DataType, data_types

_KINDS = (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.UserAccessLevel)
_UNKNOWN = DataType("?", "?")
_LONGEST = 60


async def browse(session: Session, start: NodeId | BrowsePath, depth: int) -> tuple[list[Found], bool]:
    """Return what `browse.tree` does, with what the variables are, and whether there is more than that.

    Raises:
        LinkDown: no answer.
        LookupError: there is no such node.
    """
    references = References(session)
    found = await tree(session, references, start, depth)
    variables = [node for node in found.nodes if node.is_variable]
    await _values(session, references, variables)
    await _units(session, variables)
    return [node.found for node in found.nodes], found.cut


async def _values(session: Session, references: References, variables: Sequence[Node]) -> None:
    answers = await session.read([attribute(node.id, kind) for node in variables for kind in _KINDS])
    rows = [answers[at : at + len(_KINDS)] for at in range(0, len(answers), len(_KINDS))]
    values = await _read(session, [node.id for node in variables])
    types = [row[0].Value.Value for row in rows if isinstance(row[0].Value.Value, ua.NodeId)]
    known = await data_types(session, references, types)
    structures = DataTypes(session)
    decoders = {
        node: await structures.decoder(node) if _may_be_structure(kind) else None
        for node, kind in known.items()
    }
    for node, value, (type_, rank, access) in zip(variables, values, rows, strict=True):
        kind = known.get(type_.Value.Value, _UNKNOWN)
        decoder = decoders.get(type_.Value.Value)
        array = isinstance(value.Value.Value, list) or (
            isinstance(rank.Value.Value, int) and rank.Value.Value >= 0
        )
        found = node.found
        found.status = found.status if value.StatusCode.is_good() else value.StatusCode.name
        found.type = kind.text(array=array)
        found.writable = bool((access.Value.Value or 0) & 1 << ua.AccessLevel.CurrentWrite)
        found.value = _shown(value.Value.Value, decoder)
        parts = held(kind.base, value.Value.Value, decoder, array=array)
        found.fields, found.left_out = parts.fields, parts.left_out


async def _read(session: Session, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
    """Read values. One that cannot be decoded spoils no other."""
    try:
        return await session.read([attribute(node) for node in nodes])
    except LinkDown as error:
        if error.reason != Reason.BAD_REPLY:
            raise
        if len(nodes) == 1:
            return [ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadDecodingError))]
        half = len(nodes) // 2
        return [*await _read(session, nodes[:half]), *await _read(session, nodes[half:])]


def _may_be_structure(kind: DataType) -> bool:
    """Some servers have structures that are no subtypes of Structure."""
    return kind.base in ("Structure", "Variant", "?") and kind.name != kind.base


async def _units(session: Session, variables: Sequence[Node]) -> None:
    names = ("EngineeringUnits", "EURange")  # Part 8, 5.3.2
    there = [(node, node.properties[name]) for node in variables for name in names if name in node.properties]
    answers = await session.read([attribute(node) for _, node in there])
    for (node, _), answer in zip(there, answers, strict=True):
        value = answer.Value.Value
        if isinstance(value, ua.EUInformation):
            node.found.unit = value.DisplayName.Text or ""
        elif isinstance(value, ua.Range) and value.Low < value.High:
            node.found.low, node.found.high = value.Low, value.High


def _shown(value: Any, decoder: Decoder | None) -> float | str | None:
    try:
        value = [apart(one, decoder) for one in value] if isinstance(value, list) else apart(value, decoder)
    except NoSuchField:
        return "..."  # the type says that it is a structure
    if value is None or isinstance(value, bool | int | float | str):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
