"""Fields of structures and elements of arrays, decoded by what the server says of its own types.

asyncua keeps the structures of all servers in one place by their ids, which differ from server to server.
Here each node has the decoder of its own type (StructureDefinition, Part 3, 8.48), so that no value is ever
decoded by another server's layout.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, unpack_uatype

from edge_agent.drivers.opcua.address import Field, field_text
from edge_agent.drivers.opcua.breaking import UNREADABLE

DEEPEST = 16
"""Structures inside each other; a definition that goes on contains itself."""

_BUILT_IN = {kind.value for kind in ua.VariantType}

Definition = Callable[[ua.NodeId], Awaitable[Any]]
"""Asks the server for the DataTypeDefinition of a data type, None if it does not tell."""


class NoSuchField(Exception):
    """A value does not have the field that the tag names, or cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a structure: how one value of it is decoded, whether it is an array or may be absent."""

    name: str
    decode: Callable[[Buffer], Any]
    array: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Decoder:
    """A structure type. `encoding` is the id that its values carry."""

    encoding: ua.NodeId
    kind: ua.StructureType
    parts: tuple[Part, ...]

    def decode(self, data: Buffer) -> dict[str, Any]:
        """Decode one value (Part 6, 5.2.6 to 5.2.8); fields that are absent are not in it."""
        if self.kind == ua.StructureType.Union:
            chosen = Primitives.UInt32.unpack(data)
            if not 1 <= chosen <= len(self.parts):
                return {}
            part = self.parts[chosen - 1]
            return {part.name: _value(part, data)}
        optional = 0
        if self.kind == ua.StructureType.StructureWithOptionalFields:
            optional = Primitives.UInt32.unpack(data)
        found, bit = {}, 1
        for part in self.parts:
            if part.optional:
                present, bit = optional & bit, bit << 1
                if not present:
                    continue
            found[part.name] = _value(part, data)
        return found


def pick(value: Any, field: Field, decoder: Decoder | None) -> Any:
    """Follow `field` into a value. Raises `NoSuchField` with the end of a sentence about the tag."""
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


async def decoder_of(data_type: ua.NodeId, ask: Definition, depth: int = 0) -> Decoder | None:
    """Compile the decoder of a structure type; None if it is none, or the server does not describe it."""
    definition = await ask(data_type)
    if not isinstance(definition, ua.StructureDefinition) or depth > DEEPEST:
        return None
    parts = []
    for one in definition.Fields or []:
        decode = await _decode(one.DataType, ask, depth)
        if decode is None:
            return None
        parts.append(Part(one.Name, decode, one.ValueRank >= 1, bool(one.IsOptional)))
    return Decoder(definition.DefaultEncodingId, definition.StructureType, tuple(parts))


async def _decode(data_type: ua.NodeId, ask: Definition, depth: int) -> Callable[[Buffer], Any] | None:
    if data_type.NamespaceIndex == 0 and data_type.Identifier in _BUILT_IN:
        kind = ua.VariantType(data_type.Identifier)
        return lambda data: unpack_uatype(kind, data)
    definition = await ask(data_type)
    if isinstance(definition, ua.EnumDefinition):
        return lambda data: Primitives.Int32.unpack(data)  # noqa: PLW0108 - asyncua is not typed
    nested = await decoder_of(data_type, ask, depth + 1)
    return nested.decode if nested else None


def _value(part: Part, data: Buffer) -> Any:
    if not part.array:
        return part.decode(data)
    count = Primitives.Int32.unpack(data)
    if count > len(data):
        raise ValueError(f"{part.name} has {count} elements in {len(data)} bytes")
    return [part.decode(data) for _ in range(count)]
