"""DataValues off the wire, decoded for what they nearly always are: a single number, a status, a time.

asyncua decodes each into five objects; here a whole answer becomes four lists, at a quarter of the time
(`bench/opcua.py`). What is no single number is left to asyncua. Layout: OPC 10000-6, 5.2.2.16 and 5.2.2.17.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, variant_from_binary

Bytes = bytes | memoryview

_NUMBERS = {
    kind.value: (struct.Struct(form).unpack_from, struct.calcsize(form))
    for kind, form in {
        ua.VariantType.Boolean: "<?",
        ua.VariantType.SByte: "<b",
        ua.VariantType.Byte: "<B",
        ua.VariantType.Int16: "<h",
        ua.VariantType.UInt16: "<H",
        ua.VariantType.Int32: "<i",
        ua.VariantType.UInt32: "<I",
        ua.VariantType.Int64: "<q",
        ua.VariantType.UInt64: "<Q",
        ua.VariantType.Float: "<f",
        ua.VariantType.Double: "<d",
    }.items()
}
_UINT32 = struct.Struct("<I").unpack_from
_INT32 = struct.Struct("<i").unpack_from
_INT64 = struct.Struct("<q").unpack_from

_DATA_CHANGE, _STATUS_CHANGE = 811, 820  # DataChangeNotification, StatusChangeNotification, binary encoding


@dataclass(slots=True)
class Values:
    """Values in the order in which they came.

    `raw` is a number, or None where there is no value, or else a Variant; `status` the StatusCode; `source`
    and `server` are the SourceTimestamp and the ServerTimestamp in 100 ns since 1601, 0 if there is none.
    `bits` has each bit that any status has.
    """

    raw: list[Any] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    server: list[int] = field(default_factory=list)
    bits: int = 0


@dataclass(slots=True)
class Publication:
    """What a PublishResponse tells: client handles with their values, and `ended`, why it is the last."""

    subscription: int
    sequence: int
    has_data: bool
    handles: list[int]
    values: Values
    ended: int | None


def read_response(answer: Buffer) -> Values:
    """Decode the body of a ReadResponse (Part 4, 5.10.2). Raises what asyncua does on a bad answer."""
    _header(answer)
    data, at = bytes(answer), 0
    (count,) = _INT32(data, at)
    values = Values()
    _data_values(data, 4, count, values)
    return values


def publish_response(answer: Buffer) -> Publication:
    """Decode the body of a PublishResponse (Part 4, 5.13.5). Raises what asyncua does on a bad answer."""
    _header(answer)
    data = bytes(answer)
    subscription, available = _UINT32(data, 0)[0], max(0, _INT32(data, 4)[0])
    at = 8 + 4 * available + 1
    (sequence,), (notifications,) = _UINT32(data, at), _INT32(data, at + 12)
    at += 16
    told = Publication(subscription, sequence, notifications > 0, [], Values(), None)
    for _ in range(notifications):
        body = Buffer(data, at)
        kind = nodeid_from_binary(body).Identifier
        at = body.cur_pos + 5  # encoding, length
        if kind == _DATA_CHANGE:
            _data_change(data, at, told)
        elif kind == _STATUS_CHANGE:
            told.ended = _UINT32(data, at)[0]
        at += _INT32(data, at - 4)[0]
    return told


def _header(answer: Buffer) -> None:
    nodeid_from_binary(answer)
    header: Any = struct_from_binary(ua.ResponseHeader, answer)
    header.ServiceResult.check()


def _data_change(data: Bytes, at: int, told: Publication) -> None:
    (count,) = _INT32(data, at)
    at += 4
    for _ in range(count):
        told.handles.append(_UINT32(data, at)[0])
        at = _data_values(data, at + 4, 1, told.values)


def _data_values(data: Bytes, at: int, count: int, into: Values) -> int:
    """Append `count` DataValues that begin at `at`; return where they end."""
    raw, statuses, sources, servers, numbers = into.raw, into.status, into.source, into.server, _NUMBERS
    for _ in range(count):
        mask = data[at]
        at += 1
        value, status, source, server = None, 0, 0, 0
        if mask & 0x01:
            number = numbers.get(data[at])
            if number is not None:
                unpack, size = number
                (value,) = unpack(data, at + 1)
                at += 1 + size
            else:
                buffer = Buffer(data, at)
                value = variant_from_binary(buffer)
                at = buffer.cur_pos
        if mask & 0x02:
            (status,) = _UINT32(data, at)
            into.bits |= status
            at += 4
        if mask & 0x04:
            (source,) = _INT64(data, at)
            at += 8
        if mask & 0x10:
            at += 2  # picoseconds of the source
        if mask & 0x08:
            (server,) = _INT64(data, at)
            at += 8
        if mask & 0x20:
            at += 2  # picoseconds of the server
        raw.append(value)
        statuses.append(status)
        sources.append(source)
        servers.append(server)
    if at > len(data):
        raise ValueError(f"an answer of {len(data)} bytes ends in the middle of a value")
    return at
