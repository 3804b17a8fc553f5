"""Outputs: each in exactly the type of its node, all of a cycle in one request."""

import math
from collections.abc import Sequence

import numpy as np
from asyncua import ua

from edge_agent.core.tags import Tag
from edge_agent.drivers import Refused
from edge_agent.drivers.opcua.datatypes import DataTypes
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.drivers.opcua.status import name

_INTEGERS = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_FLOATS = {ua.VariantType.Float, ua.VariantType.Double}
_NUMBERS = {ua.VariantType.Boolean, *_INTEGERS, *_FLOATS}
_FLOAT_MAX = float(np.finfo(np.float32).max)
_ASKED = (
    *(ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.AccessLevel),
    *(ua.AttributeIds.UserAccessLevel, ua.AttributeIds.AccessLevelEx),
)
_CURRENT_WRITE = 1 << ua.AccessLevel.CurrentWrite


async def output_types(
    session: Session, tags: Sequence[Tag], nodes: Sequence[ua.NodeId]
) -> list[ua.VariantType]:
    """Return the built-in type of each output.

    Raises:
        LinkDown: no answer.
        Refused: a node is unknown, not writable, not writable by this login, or not a single number; or there
            are more outputs than the server takes in one Write.
    """
    most = session.limits.get("write", len(tags))
    if len(tags) > most:
        text = f"{len(tags)} outputs are written together, the server takes {most} in one Write"
        raise Refused(f"{text} (MaxNodesPerWrite); declare fewer, or spread them over several devices")
    answers = await session.read([attribute(node, kind) for node in nodes for kind in _ASKED])
    data_types, types, problems = DataTypes(session), [], []
    for row, tag in enumerate(tags):
        *needed, extended = answers[len(_ASKED) * row : len(_ASKED) * (row + 1)]
        bad = [answer.StatusCode for answer in needed if answer.StatusCode.is_bad()]
        match [answer.Value.Value for answer in needed]:
            case _ if bad:
                problems.append(said(tag, bad[0]))
            case [ua.NodeId() as data_type, int(rank), int(access), int(ours)]:
                kind = await data_types.variant_type(data_type)
                types.append(kind)
                more = extended.Value.Value  # only servers of OPC UA 1.04 and later have it
                if kind not in _NUMBERS or rank >= 0:
                    problems.append(f"{tag.name} ({tag.address}) is not a single number of a known type")
                elif not access & (more if isinstance(more, int) else access) & _CURRENT_WRITE:
                    problems.append(said(tag, ua.StatusCode(ua.StatusCodes.BadNotWritable)))
                elif not ours & _CURRENT_WRITE:
                    denied = said(tag, ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
                    problems.append(f"{denied}: this login may not write it (UserAccessLevel)")
            case _:
                problems.append(f"{tag.name} ({tag.address}) does not tell its type")
    refuse(problems)
    return types


def item(tag: Tag, node: ua.NodeId, kind: ua.VariantType, value: float) -> ua.WriteValue:
    """Return the request to write one value. Raises `Refused` if the type cannot hold it."""
    # Several servers refuse a write that carries a status or a timestamp, so this one has neither.
    data = ua.DataValue(ua.Variant(_typed(tag, kind, value), kind), StatusCode=None)
    return ua.WriteValue(NodeId=node, AttributeId=ua.AttributeIds.Value, Value=data)


def said(tag: Tag, status: ua.StatusCode) -> str:
    """Return what the server said of a tag."""
    return f"{tag.name} ({tag.address}): {name(status.value)}"


def refuse(problems: list[str]) -> None:
    """Raise `Refused` if there are problems."""
    if problems:
        raise Refused("; ".join(problems))


def _typed(tag: Tag, kind: ua.VariantType, value: float) -> float:
    number = float(value)
    if kind == ua.VariantType.Boolean:
        fits = number in {0.0, 1.0}
    elif kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        fits = number.is_integer() and low <= int(value) <= high
    else:
        fits = kind == ua.VariantType.Double or abs(number) <= _FLOAT_MAX or not math.isfinite(number)
    if not fits:
        raise Refused(f"{tag.name} ({tag.address}): {kind.name} cannot hold {value!r}")
    return number if kind in _FLOATS else int(value)
