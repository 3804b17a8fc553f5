"""The tree of a server's nodes, with the values and types of its variables, for commissioning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from asyncua import ua

from edge_agent.drivers.opcua.address import BrowsePath, NodeId
from edge_agent.drivers.opcua.resolve import child, resolve
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.values import plain

AT_ONCE = 100
"""Nodes in one Browse: each may have many references."""
MOST = 20_000
"""Nodes that are looked at; a server with more is browsed from further down."""
_SERVER = ua.NodeId(ua.ObjectIds.Server)


class Found(msgspec.Struct, kw_only=True):
    """A node: its browse path, its id, and of a variable its type, value, unit and range."""

    path: str
    node: str
    depth: int
    name: str
    type: str = ""
    value: float | str | None = None
    status: str = ""
    writable: bool = False
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class _Node:
    id: ua.NodeId
    kind: ua.NodeClass
    found: Found


async def browse(session: Session, start: NodeId | BrowsePath, depth: int) -> list[Found]:
    """Return what is at and below `start`, at most `depth` steps away and `MOST` nodes, parents first.

    Raises:
        LinkDown: no answer.
        LookupError: there is no such node.
    """
    found, missing = await resolve(session, [start])
    if missing:
        raise LookupError(f"{start}: {missing[start]}")
    top = found[start]
    begin = str(start) if isinstance(start, BrowsePath) else ""
    [name] = await session.read([attribute(top, ua.AttributeIds.BrowseName)])
    title = name.Value.Value.Name if isinstance(name.Value.Value, ua.QualifiedName) else str(start)
    root = _Node(top, ua.NodeClass.Object, Found(path=begin, node=text_of(session, top), depth=0, name=title))
    [kind] = await session.read([attribute(top, ua.AttributeIds.NodeClass)])
    if kind.Value.Value == ua.NodeClass.Variable:
        root.kind = ua.NodeClass.Variable
    children: dict[str, list[_Node]] = {}
    level, seen = [root], {top}
    for _ in range(depth):
        level = await _below(session, level, seen, children)
    ordered = _in_order(root, children)
    await _values(session, [node for node in ordered if node.kind == ua.NodeClass.Variable])
    return [node.found for node in ordered]


async def _below(
    session: Session, parents: Sequence[_Node], seen: set[ua.NodeId], children: dict[str, list[_Node]]
) -> list[_Node]:
    made = []
    for start in range(0, len(parents), AT_ONCE):
        part = parents[start : start + AT_ONCE]
        for parent, references in zip(part, await session.browse([node.id for node in part]), strict=True):
            mine = children.setdefault(parent.found.node, [])
            for reference in references:
                node = ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)
                if node in seen or node == _SERVER or len(seen) >= MOST:
                    continue
                seen.add(node)
                mine.append(_Node(node, reference.NodeClass, _found(session, parent.found, node, reference)))
            made += mine
    return made


def _found(session: Session, parent: Found, node: ua.NodeId, reference: ua.ReferenceDescription) -> Found:
    name = reference.BrowseName
    step = str(BrowsePath(((name.NamespaceIndex, name.Name),)))
    return Found(
        path=parent.path + step, node=text_of(session, node), depth=parent.depth + 1, name=str(name.Name)
    )


def _in_order(root: _Node, children: dict[str, list[_Node]]) -> list[_Node]:
    ordered, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        waiting += reversed(children.get(node.found.node, []))
    return ordered


async def _values(session: Session, variables: Sequence[_Node]) -> None:
    kinds = (
        ua.AttributeIds.Value,
        ua.AttributeIds.DataType,
        ua.AttributeIds.ValueRank,
        ua.AttributeIds.UserAccessLevel,
    )
    answers = await session.read([attribute(node.id, kind) for node in variables for kind in kinds])
    for row, node in enumerate(variables):
        first, data_type, rank, access = answers[4 * row : 4 * row + 4]
        found = node.found
        found.status = "" if first.StatusCode.is_good() else first.StatusCode.name
        is_array = isinstance(rank.Value.Value, int) and rank.Value.Value >= 0
        found.type = _type(data_type.Value.Value) + ("[]" if is_array else "")
        found.writable = bool((access.Value.Value or 0) & 1 << ua.AccessLevel.CurrentWrite)
        found.value = _shown(first.Value.Value)
    names = ("EngineeringUnits", "EURange")
    results = await session.translate([child(node.id, name) for node in variables for name in names])
    owners = [node.found for node in variables for _ in names]
    there = [(found, r.Targets[0].TargetId) for found, r in zip(owners, results, strict=True) if r.Targets]
    asked = [attribute(ua.NodeId(target.Identifier, target.NamespaceIndex)) for _, target in there]
    for (found, _), answer in zip(there, await session.read(asked), strict=True):
        value = answer.Value.Value
        if isinstance(value, ua.EUInformation):
            found.unit = value.DisplayName.Text or ""
        elif isinstance(value, ua.Range) and value.Low < value.High:
            found.low, found.high = value.Low, value.High


def _type(data_type: Any) -> str:
    if not isinstance(data_type, ua.NodeId):
        return "?"
    if data_type.NamespaceIndex == 0 and data_type.Identifier in _BUILT_IN:
        return str(_BUILT_IN[data_type.Identifier])
    return str(data_type.to_string())


_BUILT_IN = {kind.value: kind.name for kind in ua.VariantType} | {
    ua.ObjectIds.Number: "Number",
    ua.ObjectIds.Enumeration: "Enumeration",
    ua.ObjectIds.UtcTime: "UtcTime",
    ua.ObjectIds.Duration: "Duration",
}


def _shown(value: Any) -> float | str | None:
    value = plain(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def text_of(session: Session, node: ua.NodeId) -> str:
    """Return the id of a node with its namespace's URI, as a tag file has it."""
    index = node.NamespaceIndex
    namespace = session.namespaces[index] if 0 < index < len(session.namespaces) else index
    return str(NodeId(namespace, node.Identifier))
