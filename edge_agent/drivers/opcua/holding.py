"""Which parts of a node's value tags can hold: itself, elements of an array, fields of a structure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncua import ua

from edge_agent.drivers.opcua.address import Field, field_text, parse_address
from edge_agent.drivers.opcua.structures import Decoder, NoSuchField, pick
from edge_agent.drivers.opcua.values import plain

MOST_PARTS = 100
"""Elements or fields of one value that become tags: nobody cuts down a waveform by hand."""
NUMBERS = {"Boolean", "SByte", "Byte", "Float", "Double", "Number", "Integer", "UInteger", "Enumeration"} | {
    f"{sign}Int{size}" for sign in ("", "U") for size in (16, 32, 64)
}
_NAMES = {bytes: "ByteString", UUID: "Guid"}
_SCALARS = NUMBERS | {"String", "LocalizedText", "DateTime"}


@dataclass(slots=True)
class Held:
    """The fields of the value that are single numbers, texts and times, and why others are none."""

    fields: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def held(base: str, value: Any, decoder: Decoder | None, *, array: bool) -> Held:
    """Return what tags can hold of a value whose type rests on `base`: of what may vary, what it has now."""
    if base in _SCALARS and not array:
        return Held([""])
    if value is None:
        return Held(left_out=["without a value now that would show its elements, fields or type"])
    found = Held()
    for at, leaf in _leaves(value, decoder, ()):
        why = _why_not(at, leaf)
        if why:
            found.left_out.append(why)
        else:
            found.fields.append(field_text(at))
    if len(found.fields) > MOST_PARTS:
        why = f"in an array or a structure of more than {MOST_PARTS} values"
        return Held(left_out=[*found.left_out, *[why] * len(found.fields)])
    return found


def apart(value: Any, decoder: Decoder | None) -> Any:
    """Return a structure as its fields by name, anything else as it is plainly. Raises `NoSuchField`."""
    value = plain(value)
    if isinstance(value, ua.ExtensionObject) or hasattr(type(value), "data_type"):
        return pick([value], (0,), decoder)  # an element is taken apart, a whole value is not
    return value


def _leaves(value: Any, decoder: Decoder | None, at: Field) -> Iterator[tuple[Field, Any]]:
    try:
        value = apart(value, decoder)
    except NoSuchField as error:
        yield at, error
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, decoder, (*at, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(part, decoder, (*at, index))
    else:
        yield at, value


def _why_not(at: Field, leaf: Any) -> str:
    if isinstance(leaf, NoSuchField):
        return "structures that the server does not describe"
    if leaf is None:
        return "empty now"
    if not isinstance(leaf, bool | int | float | str | datetime):
        return f"{_NAMES.get(type(leaf), type(leaf).__name__)}: no number, text or time"
    try:
        readable = parse_address("i=1", field_text(at)).field == at
    except ValueError:
        readable = False
    return "" if readable else "with names that a field cannot be written with"
