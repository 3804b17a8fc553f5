"""Outputs: each in exactly the type of its node, all of a cycle in one request."""

import math
from collections.abc import Sequence

import numpy as np
from asyncua import ua

from edge_agent.core.tags import Tag
from edge_agent.drivers import Refused
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session

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


async def output_types(
    session: Session, tags: Sequence[Tag], nodes: Sequence[ua.NodeId]
) -> list[ua.VariantType]:
    """Return the built-in type of each output.

    Raises:
        LinkDown: no answer.
        Refused: a node is unknown, not writable, or not a single number.
    """
    kinds = (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.AccessLevel)
    answers = await session.read([attribute(node, kind) for node in nodes for kind in kinds])
    types, problems = [], []
    for row, tag in enumerate(tags):
        three = answers[3 * row : 3 * row + 3]
        bad = [answer.StatusCode for answer in three if answer.StatusCode.is_bad()]
        match [answer.Value.Value for answer in three]:
            case _ if bad:
                problems.append(said(tag, bad[0]))
            case [ua.NodeId() as data_type, int(rank), int(access)]:
                kind = await session.variant_type(data_type)
                types.append(kind)
                if kind not in _NUMBERS or rank >= 0:
                    problems.append(f"{tag.name} ({tag.address}) is not a single number of a known type")
                elif not access & 1 << ua.AccessLevel.CurrentWrite:
                    problems.append(said(tag, ua.StatusCode(ua.StatusCodes.BadNotWritable)))
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
    return f"{tag.name} ({tag.address}): {status.name}"


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
