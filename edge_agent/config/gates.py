"""When a machine is looked at: the expression over tags that says whether it runs."""

from collections.abc import Container, Mapping

from edge_agent.config.alarms import tag_there
from edge_agent.config.fields import Place
from edge_agent.config.schema import ScannedTag
from edge_agent.config.tables import MachineTable
from edge_agent.core.gate import Expression, ExpressionError, Gate
from edge_agent.core.registers import Address


def gate_of(
    machine: MachineTable, tags: Mapping[str, ScannedTag], broken: Container[str], place: Place
) -> Gate | None:
    """Return what `running` and `settle` of a machine say, None if it is always looked at.

    `broken` are devices that were told wrong already.
    """
    where = place.at("running")
    if not machine.running:
        if machine.settle:
            place.at("settle").wrong("settles after what? Say when the machine runs, by running")
        return None
    try:
        expression = Expression(machine.running)
    except ExpressionError as error:
        where.wrong(str(error))
        return None
    if not expression.tags:
        where.wrong("names no tag, so it is always the same; leave it out")
    for name in expression.tags:
        tag_there(name, tags, broken, where)
        address = tags[name].tag.address if name in tags else None
        if isinstance(address, Address) and address.type == "string":
            where.wrong(f"{name} is a text; compare numbers")
    return Gate(running=machine.running, settle=machine.settle)
