"""Fields of structures and elements of arrays, decoded by what the server says of its own types.

asyncua keeps the structures of all servers in one place by their ids, which differ from server to server.
Here each node has the decoder of its own type (StructureDefinition, Part 3, 8.48), so that no value is ever
decoded by another server's layout.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, Union

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, unpack_uatype

from edge_agent.drivers.opcua.address import Field, field_text
from edge_agent.drivers.opcua.breaking import UNREADABLE

DEEPEST = 16
"""Structures inside each other; a definition that goes on contains itself."""

_ANY_STRUCTURE = ua.NodeId(ua.ObjectIds.Structure)
_WHOLE = {
    ua.StructureType.Structure,
    ua.StructureType.StructureWithOptionalFields,
    ua.StructureType.Union,
}
"""Kinds whose values say nothing of their types: not those with subtyped values (Part 3, 8.49)."""


class Types(Protocol):
    """Asks a server for what it says of a data type. Raises `LinkDown`."""

    async def definition(self, data_type: ua.NodeId) -> Any:
        """Return the DataTypeDefinition, None if the server does not tell."""
        ...

    async def variant_type(self, data_type: ua.NodeId) -> ua.VariantType | None:
        """Return the built-in type that it is a subtype of, None if the server does not tell."""
        ...

    async def names(self, data_type: ua.NodeId) -> Mapping[int, str]:
        """Return what the values of an enumeration are called; nothing of any other type."""
        ...


class NoSuchField(Exception):
    """A value does not have the field that the tag names, or cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a structure: its built-in type or structure, its dimensions, whether it may be absent.

    `names` are what the values of an enumeration are called.
    """

    name: str
    kind: Union[ua.VariantType, "Decoder"]
    rank: int
    optional: bool
    names: Mapping[int, str]

    def decode(self, data: Buffer) -> Any:
        """Decode one value, or one element."""
        return self.kind.decode(data) if isinstance(self.kind, Decoder) else unpack_uatype(self.kind, data)


@dataclass(frozen=True, slots=True)
class Decoder:
    """A structure type. `encoding` is the id that its values carry."""

    encoding: ua.NodeId
    kind: ua.StructureType
    parts: tuple[Part, ...]

    def decode(self, data: Buffer) -> dict[str, Any]:
        """Decode one value (Part 6, 5.2.6 to 5.2.8); fields that are absent are None."""
        found: dict[str, Any] = dict.fromkeys(part.name for part in self.parts)
        if self.kind == ua.StructureType.Union:
            chosen = Primitives.UInt32.unpack(data)
            if 1 <= chosen <= len(self.parts):
                part = self.parts[chosen - 1]
                found[part.name] = _value(part, data)
            return found
        optional = 0
        if self.kind == ua.StructureType.StructureWithOptionalFields:
            optional = Primitives.UInt32.unpack(data)
        bit = 1
        for part in self.parts:
            if part.optional:
                present, bit = optional & bit, bit << 1
                if not present:
                    continue
            found[part.name] = _value(part, data)
        return found

    def names(self, way: Field) -> Mapping[int, str]:
        """Return what the values of the enumeration that `way` leads to are called."""
        inside: Decoder | None = self
        names: Mapping[int, str] = {}
        for step in (step for step in way if isinstance(step, str)):
            part = next((p for p in inside.parts if p.name == step), None) if inside else None
            names = part.names if part else {}
            inside = part.kind if part and isinstance(part.kind, Decoder) else None
        return names


def pick(value: Any, field: Field, decoder: Decoder | None) -> Any:
    """Follow `field` into a value, None if it is absent.

    Raises `NoSuchField` with the end of a sentence about the tag.
    """
    if not field:
        return value
    if isinstance(value, ua.Variant):
        value = value.Value
    done: Field = ()
    for part in field:
        value = _taken_apart(value, decoder)
        try:
            value = value[part]
        except IndexError:
            raise NoSuchField(f"has only {len(value)} elements at {field_text(done) or 'the top'}") from None
        except (KeyError, TypeError):
            has = ", ".join(value) if isinstance(value, dict) else type(value).__name__
            text = f"has no {field_text((*done, part))}; there is {has}"
            raise NoSuchField(text) from None
        done = (*done, part)
        if value is None:
            return None
    return _taken_apart(value, decoder)


def _taken_apart(value: Any, decoder: Decoder | None) -> Any:
    """Return a structure as its fields by name; anything else as it is."""
    if isinstance(value, ua.ExtensionObject):
        return _structure(value, decoder)
    if is_dataclass(value) and not isinstance(value, type | ua.LocalizedText):
        return {field.name: getattr(value, field.name) for field in fields(value)}  # one of the standard
    return value


def _structure(value: Any, decoder: Decoder | None) -> dict[str, Any]:
    if decoder is None:
        raise NoSuchField("is a structure whose fields the server does not describe (DataTypeDefinition)")
    if value.TypeId != decoder.encoding:
        raise NoSuchField(f"is a structure of another type than its node: {value.TypeId.to_string()}")
    data = Buffer(value.Body or b"")
    try:
        decoded = decoder.decode(data)
    except UNREADABLE as error:
        raise NoSuchField(f"is a structure that cannot be decoded: {error!r}") from None
    if len(data):
        raise NoSuchField(f"is a structure with {len(data)} bytes more than its type has")
    return decoded


async def decoder_of(data_type: ua.NodeId, types: Types, depth: int = 0) -> Decoder | None:
    """Compile the decoder of a structure type; None if it is none, or the server does not describe it."""
    definition = await types.definition(data_type)
    if not isinstance(definition, ua.StructureDefinition) or depth > DEEPEST:
        return None
    if definition.StructureType not in _WHOLE:
        return None
    parts = []
    for one in definition.Fields or []:
        part = await _part(one, types, depth)
        if part is None:
            return None
        parts.append(part)
    return Decoder(definition.DefaultEncodingId, definition.StructureType, tuple(parts))


async def _part(one: ua.StructureField, types: Types, depth: int) -> Part | None:
    kind = await decoder_of(one.DataType, types, depth + 1) or await types.variant_type(one.DataType)
    # What is any structure says its type with each value; one that is not described cannot be read.
    if kind is None or (kind == ua.VariantType.ExtensionObject and one.DataType != _ANY_STRUCTURE):
        return None
    names = await types.names(one.DataType)
    return Part(one.Name, kind, max(0, one.ValueRank), bool(one.IsOptional), names)


def _value(part: Part, data: Buffer) -> Any:
    if not part.rank:
        return part.decode(data)
    # One dimension is its length, more are an array of lengths (Part 6, 5.2.5).
    sizes = [_length(part, data) for _ in range(1 if part.rank == 1 else _length(part, data))]
    count = math.prod(sizes)
    if count > len(data):
        raise ValueError(f"{part.name} has {count} elements in {len(data)} bytes")
    values: list[Any] = [part.decode(data) for _ in range(count)]
    for size in reversed(sizes[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def _length(part: Part, data: Buffer) -> int:
    length = int(Primitives.Int32.unpack(data))
    if length > len(data):
        raise ValueError(f"{part.name} has a length of {length} in {len(data)} bytes")
    return max(0, length)
