"""From addresses to the node ids of one session: namespace URIs to indices, browse paths to nodes.

A restart of the server, or a download into it, may change both, so this is asked on every connection and
again for whatever the server no longer knows.
"""

from collections.abc import Sequence

from asyncua import ua

from edge_agent.drivers.opcua.address import BrowsePath, Namespace, NodeId
from edge_agent.drivers.opcua.session import Session

_ROOT = ua.NodeId(ua.ObjectIds.RootFolder)
_HIERARCHICAL = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
_WHOLE = 0xFFFF_FFFF  # RemainingPathIndex of a path that was followed to its end (Part 4, 5.8.4.2)

Node = NodeId | BrowsePath


async def resolve(session: Session, nodes: Sequence[Node]) -> tuple[dict[Node, ua.NodeId], dict[Node, str]]:
    """Return the ids of the nodes that there are, and of the others what is missing. Raises `LinkDown`."""
    found: dict[Node, ua.NodeId] = {}
    missing: dict[Node, str] = {}
    paths: list[tuple[BrowsePath, ua.BrowsePath]] = []
    for node in dict.fromkeys(nodes):
        try:
            if isinstance(node, NodeId):
                found[node] = ua.NodeId(node.identifier, _index(session, node.namespace))
            else:
                paths.append((node, from_root(session, node)))
        except LookupError as error:
            missing[node] = str(error.args[0])
    for (node, _), result in zip(paths, await session.translate([path for _, path in paths]), strict=True):
        targets = [t.TargetId for t in result.Targets or [] if t.RemainingPathIndex == _WHOLE]
        if len(targets) == 1:
            found[node] = ua.NodeId(targets[0].Identifier, targets[0].NamespaceIndex)
        else:
            missing[node] = f"leads to {len(targets)} nodes" if targets else "leads to no node"
    return found, missing


def from_root(session: Session, node: BrowsePath) -> ua.BrowsePath:
    """Return the request to follow a path. Raises LookupError if the server lacks a namespace."""
    elements = [_element(_HIERARCHICAL, name, _index(session, namespace)) for namespace, name in node.steps]
    return ua.BrowsePath(_ROOT, ua.RelativePath(elements))


def child(node: ua.NodeId, name: str) -> ua.BrowsePath:
    """Return the request to find a property of the standard, such as EURange."""
    return ua.BrowsePath(node, ua.RelativePath([_element(ua.NodeId(ua.ObjectIds.HasProperty), name, 0)]))


def _element(reference: ua.NodeId, name: str, index: int) -> ua.RelativePathElement:
    return ua.RelativePathElement(reference, False, True, ua.QualifiedName(name, index))


def _index(session: Session, namespace: Namespace) -> int:
    if isinstance(namespace, int):
        return namespace
    if namespace not in session.namespaces:
        known = ", ".join(map(str, session.namespaces))
        raise LookupError(f"the server has no namespace {namespace}; it has {known}")
    return session.namespaces.index(namespace)
