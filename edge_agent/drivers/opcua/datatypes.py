"""What a server says of its data types: the layout of structures, the names of an enumeration's values.

Each is asked for once and kept, so whoever looks again does so with a new `DataTypes`: a download may have
given a type of the same id another layout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua

from edge_agent.core.tags import Tag
from edge_agent.drivers.opcua.address import NodeAddress
from edge_agent.drivers.opcua.resolve import Node, child
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.structures import Decoder, decoder_of

_ANY = {ua.ObjectIds.BaseDataType, ua.ObjectIds.Number, ua.ObjectIds.Integer, ua.ObjectIds.UInteger}
_BUILT_IN = {kind.value for kind in ua.VariantType} | _ANY
_NAMES = ("EnumStrings", "EnumValues")
"""Properties of an enumeration (Part 3, 8.14): where servers before OPC UA 1.04 have the names."""


@dataclass(frozen=True, slots=True)
class Described:
    """Of the rows of a plan: the decoders of structures, and what the values of enumerations are called."""

    decoders: Mapping[int, Decoder] = field(default_factory=dict)
    names: Mapping[int, Mapping[int, str]] = field(default_factory=dict)


async def describe(session: Session, tags: Sequence[Tag], found: Mapping[Node, ua.NodeId]) -> Described:
    """Ask for the type of each tag's node and for what is said of it. Raises `LinkDown`.

    Names are left out where the tag has labels of its own, or where its value is scaled.
    """
    rows = [
        (row, tag.address, _is_plain(tag))
        for row, tag in enumerate(tags)
        if isinstance(tag.address, NodeAddress) and tag.address.node in found
    ]
    rows = [(row, address, plain) for row, address, plain in rows if plain or address.is_inside]
    asked = [attribute(found[address.node], ua.AttributeIds.DataType) for _, address, _ in rows]
    types, decoders, names = DataTypes(session), {}, {}
    for (row, address, plain), answer in zip(rows, await session.read(asked), strict=True):
        data_type = answer.Value.Value
        if not isinstance(data_type, ua.NodeId):
            continue
        decoder = await types.decoder(data_type) if address.is_inside else None
        if decoder is not None:
            decoders[row] = decoder
        called = decoder.names(address.field) if decoder else await types.names(data_type)
        if called and plain:
            names[row] = called
    return Described(decoders, names)


def _is_plain(tag: Tag) -> bool:
    return not tag.labels and tag.scale == 1 and tag.offset == 0


class DataTypes:
    """The data types of one server. Every method raises `LinkDown`. Implements `structures.Types`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._definitions: dict[ua.NodeId, Any] = {}
        self._decoders: dict[ua.NodeId, Decoder | None] = {}
        self._kinds: dict[ua.NodeId, ua.VariantType | None] = {}
        self._names: dict[ua.NodeId, Mapping[int, str]] = {}

    async def decoder(self, data_type: ua.NodeId) -> Decoder | None:
        """Return the decoder of a structure, None if the server does not describe it."""
        if data_type not in self._decoders:
            self._decoders[data_type] = await decoder_of(data_type, self)
        return self._decoders[data_type]

    async def definition(self, data_type: ua.NodeId) -> Any:
        """Return the DataTypeDefinition, None if the server does not tell."""
        if _is_built_in(data_type):
            return None
        if data_type not in self._definitions:
            [answer] = await self._session.read([attribute(data_type, ua.AttributeIds.DataTypeDefinition)])
            self._definitions[data_type] = None if answer.StatusCode.is_bad() else answer.Value.Value
        return self._definitions[data_type]

    async def variant_type(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Return the built-in type that it is a subtype of, None if the server does not tell."""
        if data_type not in self._kinds:
            kind = await self._session.variant_type(data_type)
            if kind == ua.VariantType.Variant and not _is_built_in(data_type):
                # A subtype of anything cannot be decoded, unless it is an enumeration in the wrong place.
                is_enumeration = isinstance(await self.definition(data_type), ua.EnumDefinition)
                kind = ua.VariantType.Int32 if is_enumeration else None
            self._kinds[data_type] = kind
        return self._kinds[data_type]

    async def names(self, data_type: ua.NodeId) -> Mapping[int, str]:
        """Return what the values of an enumeration are called; nothing of any other type."""
        if _is_built_in(data_type):
            return {}
        if data_type not in self._names:
            self._names[data_type] = await self._named(data_type)
        return self._names[data_type]

    async def _named(self, data_type: ua.NodeId) -> Mapping[int, str]:
        definition = await self.definition(data_type)
        if isinstance(definition, ua.StructureDefinition):
            return {}
        if await self.variant_type(data_type) != ua.VariantType.Int32:
            return {}  # of a set of options they would name bits
        if isinstance(definition, ua.EnumDefinition) and definition.Fields:
            return {int(one.Value): _text(one) for one in definition.Fields}
        return await self._properties(data_type)

    async def _properties(self, data_type: ua.NodeId) -> Mapping[int, str]:
        found = await self._session.translate([child(data_type, name) for name in _NAMES])
        targets = [result.Targets[0].TargetId for result in found if result.Targets]
        asked = [attribute(ua.NodeId(target.Identifier, target.NamespaceIndex)) for target in targets]
        for answer in await self._session.read(asked):
            match answer.Value.Value:
                case [ua.LocalizedText(), *_] as texts:
                    return {number: text.Text or "" for number, text in enumerate(texts)}
                case [ua.EnumValueType(), *_] as values:
                    return {int(value.Value): _text(value) for value in values}
        return {}


def _is_built_in(data_type: ua.NodeId) -> bool:
    return data_type.NamespaceIndex == 0 and data_type.Identifier in _BUILT_IN


def _text(one: Any) -> str:
    return one.DisplayName.Text or getattr(one, "Name", None) or ""
