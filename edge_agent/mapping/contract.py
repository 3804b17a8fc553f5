"""One page for the controls engineer: what the agent reads and writes, and what the PLC has to do."""

import math
from collections.abc import Iterator, Mapping
from enum import IntEnum

from edge_agent.config import Config
from edge_agent.config.schema import Follow, Machine, Result
from edge_agent.core.permit import Denied
from edge_agent.core.resultblock import WORDS, AlarmBits
from edge_agent.core.selection import Chosen
from edge_agent.core.states import TABLE
from edge_agent.core.tags import Reason
from edge_agent.mapping.entries import Entry, entries, signals, written
from edge_agent.mapping.interface import REFUSALS, timeouts
from edge_agent.mapping.tables import table

_PREFACE = (
    "The agent is not a safety function: keep it out of every interlock, trip and SIL loop. The PLC works "
    "without it and decides what to do with what it says."
)
_DUTIES = """\
1. Write nothing in the block. Read it as a whole, once a cycle.
2. Watch `heartbeat`: it counts with every write. When it stands still for {still:g} s, do what the
   machine did before there was an agent.
3. Take a result only from a frame whose layout, both sequences and CRC are right, in state READY, ADVISORY
   or ACTIVE, with a finite score, and only as long as the sequence moves.
"""
_DUTIES_OF_FIELDS = """\
1. Write none of these.
2. Watch `heartbeat`: it counts with every write. When it stands still for {still:g} s, do what the
   machine did before there was an agent.
3. The fields are not one frame: for a moment one may be of this result and another of the last. Take `score`
   only if it is finite and not the number that means that there is no result.
"""


def contract(config: Config, blocks: Mapping[str, str]) -> str:
    """Return the page. `blocks` are the function blocks' names by machine."""
    where = {entry.name: entry for entry in entries(config)}
    lines = [f"# Contract between the PLC and {config.name}", "", _PREFACE, ""]
    if config.stop:
        lines += [f"All writing stops while `{config.stop}` is not 0 or cannot be read.", ""]
    for machine in config.machines:
        lines += _machine(machine, where, blocks.get(machine.name, ""))
    return "\n".join([*lines, *_numbers()]) + "\n"


def _machine(machine: Machine, where: Mapping[str, Entry], block: str) -> Iterator[str]:
    manifest = machine.bundle.manifest
    yield f"## {machine.name}"
    yield ""
    yield (
        f"Mode {machine.mode}. Model {manifest.name} {manifest.version} (bundle number "
        f"{machine.bundle.short_id}), one result every {manifest.period:g} s."
    )
    yield ""
    yield "The agent reads:"
    yield ""
    named = zip(manifest.inputs, machine.inputs, strict=True)
    reads = [(f"input {column.name}", tag) for column, tag in named]
    rows = (
        (what, tag, _place(where[tag]), where[tag].unit) if tag in where else (what, tag, "computed here", "")
        for what, tag in [*reads, *signals(machine)]
    )
    yield from table(("what", "tag", "where", "unit"), rows)
    yield ""
    if machine.constants:
        given = zip(manifest.constants, machine.constants, strict=True)
        told = ", ".join(f"{c.name} {value:g} {c.unit}".rstrip() for c, value in given)
        yield f"Constants of the machine: {told}."
        yield ""
    if machine.result is None:
        yield "The agent writes nothing for it."
        yield ""
        return
    yield from _writes(machine, machine.result)
    still, _ = timeouts(machine, machine.result.heartbeat)
    by_block = f" `{block}.st` does it; the same is in `plcopen.xml`." if block else ""
    yield f"What the PLC must do.{by_block}"
    yield ""
    yield (_DUTIES_OF_FIELDS if machine.result.chosen else _DUTIES).format(still=still)


def _writes(machine: Machine, result: Result) -> Iterator[str]:
    all_written = list(written(machine))
    first, last = all_written[0], all_written[len(result.outputs) - 1]
    size = f"{WORDS} registers, one request" if first.table else "one node a field, one call"
    not_yet = " once the mode is not shadow" if machine.mode == "shadow" else ""
    often = f"with every result and at least every {result.heartbeat:g} s"
    if result.chosen:
        yield f"The agent writes{not_yet}, {often}:"
        yield ""
        for chosen, entry in zip(result.chosen, all_written, strict=False):
            yield f"- `{chosen.field}` to {_place(entry)} as {_meaning(chosen, entry)}"
    else:
        yield (
            f"The agent writes{not_yet} the result block, {size}: {_place(first)} to {last.address}, {often}."
        )
    yield ""
    for output, entry in zip(machine.outputs, all_written[len(result.outputs) :], strict=True):
        yield f"- In mode active: {_output(output, entry)}"
    if machine.permit is not None:
        held = machine.permit.conditions
        yield (
            f"- Only while `{machine.permit.permissive}` is not 0, `{machine.permit.heartbeat}` moves at "
            f"least every {held.heartbeat:g} s"
            + _identity(machine)
            + f", after {held.cycles} good results in a row."
        )
    if machine.outputs:
        yield ""


def _meaning(chosen: Chosen, entry: Entry) -> str:
    scaled = f", times {entry.scale} plus {entry.offset}" if (entry.scale, entry.offset) != ("1", "0") else ""
    missing = "" if chosen.missing is None else f"; {chosen.missing:g} means that there is no result"
    return f"{entry.type or 'its node has it'}{scaled}{missing}"


def _identity(machine: Machine) -> str:
    permit = machine.permit
    if permit is None or not permit.identity:
        return ""
    return f", `{permit.identity}` is {permit.conditions.identity:g}"


def _output(output: Follow, entry: Entry) -> str:
    rule = output.rule
    step = f", at most {rule.step:g} a write" if math.isfinite(rule.step) else ""
    fallback = "left as it is" if rule.fallback is None else f"{rule.fallback:g}"
    limits = f"{rule.low:g} to {rule.high:g} {entry.unit}".rstrip()
    pace = f"{rule.interval:g} s apart or more, at most {rule.per_hour} an hour"
    return (
        f"`{entry.name}` ({_place(entry)}) follows {output.follows}, {limits}{step}, {pace}; "
        f"without a result {fallback}."
    )


def _place(entry: Entry) -> str:
    modicon = f" ({entry.modicon})" if entry.modicon else ""
    return f"{entry.device} {entry.table} {entry.address}{modicon}".replace("  ", " ")


def _numbers() -> Iterator[str]:
    yield "## Numbers"
    yield ""
    yield "States; the first row that applies decides:"
    yield ""
    yield from table(("state", "name", "when"), ((s.value, s.name, text) for s, text, _ in TABLE))
    yield ""
    yield from _listed("Bits of `alarm`, by value", AlarmBits)
    yield from _listed("`reason`, why there is no result", Reason)
    yield from _listed("`denied`, why declared outputs are not written", Denied)
    yield "`Refused` of the function block, why it does not take a frame:"
    yield ""
    yield from table(
        ("refused", "name", "when"), ((code.value, code.name, text) for code, text in REFUSALS.items())
    )


def _listed(title: str, numbers: type[IntEnum] | type[AlarmBits]) -> Iterator[str]:
    yield f"{title}: " + ", ".join(f"{number.value} {number.name}" for number in numbers) + "."
    yield ""
