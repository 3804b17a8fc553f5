"""Chosen fields of the result: a row of a tag table for each, and what stands for a missing number."""

import math
from typing import Any

import msgspec

from edge_agent.config.fields import Place, nearest
from edge_agent.config.opcua import read_back
from edge_agent.config.schema import Device, Result
from edge_agent.config.tables import ResultTable
from edge_agent.config.tags import tags_of
from edge_agent.core.registers import Address
from edge_agent.core.resultblock import FIELDS
from edge_agent.core.selection import FRAME_ONLY, Chosen, problem
from edge_agent.core.tags import Tag

_CHOICE = [name for name, _, _ in FIELDS if name not in FRAME_ONLY]


def chosen_fields(machine: str, table: ResultTable, device: Device, place: Place) -> Result | None:
    """Return the outputs of ``[machine.NAME.result.fields]``, or None if anything is wrong with them."""
    before = len(place.errors)
    if (table.table, table.address, table.node) != (None, None, None):
        place.wrong("is one block (table and address, or node) or chosen fields, not both")
    if "heartbeat" not in table.fields:
        place.at("fields").wrong("heartbeat is missing: without it the PLC cannot see that the agent is gone")
    outputs, chosen = [], []
    for name, row in table.fields.items():
        where = place.at(f"fields.{name}")
        if (tag := _tag(name, row, device, where)) and (choice := _choice(name, row, tag, where)):
            outputs.append(msgspec.structs.replace(tag, name=f"{machine}.result.{name}"))
            chosen.append(choice)
    if len(place.errors) > before:
        return None
    return Result(device=device.name, outputs=outputs, heartbeat=table.heartbeat, chosen=tuple(chosen))


def _tag(name: str, row: dict[str, Any], device: Device, place: Place) -> Tag | None:
    if name in FRAME_ONLY:
        place.wrong("belongs to the whole block; on its own it says nothing")
        return None
    if name not in _CHOICE:
        place.wrong(f"the result has no such field; {nearest(name, _CHOICE)}")
        return None
    told = {"name": f"result.{name}", **{key: value for key, value in row.items() if key != "missing"}}
    tags = tags_of(device.name, msgspec.structs.replace(read_back(device.table), tags=[told]), place)
    if len(tags) > 1:
        place.wrong("a field is one value, not an array")
    return tags[0].tag if len(tags) == 1 else None


def _choice(name: str, row: dict[str, Any], tag: Tag, place: Place) -> Chosen | None:
    missing = row.get("missing")
    if isinstance(missing, bool) or not isinstance(missing, int | float | None):
        place.at("missing").wrong(f"must be a number, got {missing!r}")
        return None
    if math.isfinite(tag.low) or math.isfinite(tag.high):
        place.wrong("a result has no low or high: it is written as it is")
    kind = "float64"  # a node has the type that its server says
    if isinstance(tag.address, Address):
        kind = tag.address.type
        if tag.address.table != "holding":
            place.at("table").wrong(
                f"no client can write numbers to table {tag.address.table!r}; use holding"
            )
    chosen = Chosen(field=name, type=kind, scale=tag.scale, offset=tag.offset, missing=missing)
    wrong = problem(chosen)
    if wrong:
        place.at("type").wrong(wrong)
    return chosen
