"""What the data types of a server are called, and which built-in type each rests on (Part 3, 5.8.3)."""

from collections.abc import Iterable
from dataclasses import dataclass

from asyncua import ua

from edge_agent.drivers.opcua.references import Kind, References
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session

_SUPERTYPE = Kind(ua.ObjectIds.HasSubtype, forward=False)
_BUILT_IN = {kind.value: kind.name for kind in ua.VariantType} | {
    ua.ObjectIds.Number: "Number",
    ua.ObjectIds.Integer: "Integer",
    ua.ObjectIds.UInteger: "UInteger",
    ua.ObjectIds.Enumeration: "Enumeration",
    ua.ObjectIds.Structure: "Structure",
    ua.ObjectIds.BaseDataType: "Variant",
}
"""Types of the standard that say how a value is encoded, or that any of several may come."""
_DEEPEST = 20
"""Steps to a built-in type; what goes on is a subtype of itself."""


@dataclass(frozen=True, slots=True)
class DataType:
    """A data type by its browse name. `base` is the standard's, ``?`` if the server does not tell."""

    name: str
    base: str

    def text(self, *, array: bool) -> str:
        """Return it as people read it, such as ``WORD[] (UInt16)``."""
        name = f"{self.name}[]" if array else self.name
        return name if self.base in (self.name, "?") else f"{name} ({self.base})"


async def data_types(
    session: Session, references: References, types: Iterable[ua.NodeId]
) -> dict[ua.NodeId, DataType]:
    """Return what each type is. Raises `LinkDown`."""
    wanted = list(dict.fromkeys(types))
    names = await session.read([attribute(node, ua.AttributeIds.BrowseName) for node in wanted])
    bases = dict(zip(wanted, wanted, strict=True))
    for _ in range(_DEEPEST):
        open_ = {base for base in bases.values() if _built_in(base) is None}
        if not open_:
            break
        above = await references.of(list(open_), _SUPERTYPE)
        up = {node: _first(leading.references, node) for node, leading in above.items()}
        bases = {node: up.get(base, base) for node, base in bases.items()}
    return {
        node: DataType(_name(name, node), _built_in(bases[node]) or "?")
        for node, name in zip(wanted, names, strict=True)
    }


def _built_in(node: ua.NodeId) -> str | None:
    return _BUILT_IN.get(node.Identifier) if node.NamespaceIndex == 0 else None


def _first(references: list[ua.ReferenceDescription], node: ua.NodeId) -> ua.NodeId:
    if not references:
        return node
    above = references[0].NodeId
    return ua.NodeId(above.Identifier, above.NamespaceIndex)


def _name(answer: ua.DataValue, node: ua.NodeId) -> str:
    name = answer.Value.Value
    if isinstance(name, ua.QualifiedName):
        return str(name.Name)
    return _built_in(node) or str(node.to_string())
