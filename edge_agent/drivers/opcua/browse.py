"""The tree of a server's nodes, with the values and types of its variables, for commissioning."""

from dataclasses import dataclass, field

import msgspec
from asyncua import ua

from edge_agent.drivers.opcua.address import BrowsePath, NodeId
from edge_agent.drivers.opcua.references import Kind, Leading, References
from edge_agent.drivers.opcua.resolve import resolve
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session

MOST = 20_000
"""Nodes that are looked at; a server with more is browsed from further down."""
_BELOW = Kind(ua.ObjectIds.HierarchicalReferences, classes=ua.NodeClass.Object | ua.NodeClass.Variable)
_SERVER = ua.NodeId(ua.ObjectIds.Server)
_PROPERTY = ua.NodeId(ua.ObjectIds.HasProperty)


class Found(msgspec.Struct, kw_only=True):
    """A node: its browse path, its id, and of a variable its type, value, unit and range.

    `fields` are those of its value that tags can hold, "" for all of it; `left_out` is, for each value that
    they cannot, why not.
    """

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
    fields: list[str] = []
    left_out: list[str] = []


@dataclass(slots=True)
class Node:
    """A node of this session. Its properties are by their names."""

    id: ua.NodeId
    is_variable: bool
    found: Found
    below: list["Node"] = field(default_factory=list)
    properties: dict[str, ua.NodeId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes, parents first. `cut` says that there are more than `MOST`."""

    nodes: list[Node]
    cut: bool


async def tree(session: Session, references: References, start: NodeId | BrowsePath, depth: int) -> Tree:
    """Return what is at and below `start`, at most `depth` steps away.

    Raises:
        LinkDown: no answer.
        LookupError: there is no such node.
    """
    root = await _root(session, start)
    walk = _Walk(session, {root.id})
    level = [root]
    for _ in range(depth):
        leading = await references.of([node.id for node in level], _BELOW)
        for node in level:
            walk.take(node, leading[node.id])
        level = [below for node in level for below in node.below]
    last = [node for node in level if node.is_variable]
    leading = await references.of([node.id for node in last], _BELOW)
    for node in last:
        _take_properties(node, leading[node.id])
    return Tree(_in_order(root), walk.cut)


@dataclass(slots=True)
class _Walk:
    """What was seen on the way: a node is shown where it is met first."""

    session: Session
    seen: set[ua.NodeId]
    cut: bool = False

    def take(self, parent: Node, leading: Leading) -> None:
        _take_properties(parent, leading)
        parent.found.status = leading.status
        for reference in leading.references:
            node = _id(reference)
            if reference.ReferenceTypeId == _PROPERTY or node in self.seen or node == _SERVER:
                continue
            if len(self.seen) >= MOST:
                self.cut = True
                return
            self.seen.add(node)
            is_variable = reference.NodeClass == ua.NodeClass.Variable
            parent.below.append(
                Node(node, is_variable, self._found(parent.found, node, reference.BrowseName))
            )

    def _found(self, parent: Found, node: ua.NodeId, name: ua.QualifiedName) -> Found:
        path = parent.path + str(BrowsePath(((name.NamespaceIndex, name.Name),)))
        return Found(path=path, node=_text(self.session, node), depth=parent.depth + 1, name=str(name.Name))


async def _root(session: Session, start: NodeId | BrowsePath) -> Node:
    found, missing = await resolve(session, [start])
    if missing:
        raise LookupError(f"{start}: {missing[start]}")
    top = found[start]
    kinds = (ua.AttributeIds.BrowseName, ua.AttributeIds.NodeClass)
    name, kind = await session.read([attribute(top, kind) for kind in kinds])
    if kind.StatusCode.is_bad():
        raise LookupError(f"{start}: the server has no such node ({kind.StatusCode.name})")
    title = name.Value.Value.Name if isinstance(name.Value.Value, ua.QualifiedName) else str(start)
    path = str(start) if isinstance(start, BrowsePath) else ""
    shown = Found(path=path, node=_text(session, top), depth=0, name=title)
    return Node(top, kind.Value.Value == ua.NodeClass.Variable, shown)


def _take_properties(node: Node, leading: Leading) -> None:
    for reference in leading.references:
        if reference.ReferenceTypeId == _PROPERTY:
            node.properties[reference.BrowseName.Name] = _id(reference)


def _id(reference: ua.ReferenceDescription) -> ua.NodeId:
    return ua.NodeId(reference.NodeId.Identifier, reference.NodeId.NamespaceIndex)


def _in_order(root: Node) -> list[Node]:
    ordered, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        waiting += reversed(node.below)
    return ordered


def _text(session: Session, node: ua.NodeId) -> str:
    """Return the id of a node with its namespace's URI, as a tag file has it."""
    index = node.NamespaceIndex
    namespace = session.namespaces[index] if 0 < index < len(session.namespaces) else index
    return str(NodeId(namespace, node.Identifier))
