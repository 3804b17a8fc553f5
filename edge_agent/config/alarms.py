"""How a machine's alarms are handled, and by which tags the PLC has a say in it."""

from collections.abc import Container, Mapping

from edge_agent.bundle import Bundle
from edge_agent.config.fields import Place, nearest
from edge_agent.config.schema import Alarms, ScannedTag
from edge_agent.config.tables import MachineTable
from edge_agent.core.alarm import LONGEST_SHELF, Handling


def alarms_of(
    machine: MachineTable,
    bundle: Bundle,
    tags: Mapping[str, ScannedTag],
    broken: Container[str],
    place: Place,
) -> Alarms:
    """Return what ``[machine.NAME.alarm]`` says. `broken` are devices that were told wrong already."""
    table = machine.alarm
    n, m = table.count
    if not 1 <= n <= m <= 1000:
        place.at("count").wrong(f"[{n}, {m}]: n of m scores, 1 <= n <= m <= 1000")
    if table.shelf > LONGEST_SHELF:
        place.at("shelf").wrong(f"{table.shelf:g} s; at most {LONGEST_SHELF / 3600:g} h, a shift")
    if table.realarm and not table.wait:
        place.at("realarm").wrong("asks again for an acknowledgement; set wait = true to ask at all")
    if table.reset and not table.latch:
        place.at("reset").wrong("resets a latch; set latch = true, or leave it out")
    for key, name in (("acknowledge", table.acknowledge), ("reset", table.reset)):
        tag_there(name, tags, broken, place.at(key))
    outputs = [output.name for output in bundle.manifest.outputs]
    for name in table.description if not bundle.absent else ():
        if name not in outputs:
            place.at("description").at(name).wrong(f"the bundle has no such output; {nearest(name, outputs)}")
    handling = Handling(
        wait=table.wait,
        latch=table.latch,
        realarm=table.realarm,
        count=(n, m),
        shelf=table.shelf,
    )
    return Alarms(
        handling=handling,
        acknowledge=table.acknowledge,
        reset=table.reset,
        priority=table.priority,
        description=table.description,
    )


def tag_there(name: str, tags: Mapping[str, ScannedTag], broken: Container[str], place: Place) -> None:
    """Keep an error if a tag is named that there is not."""
    if name and name not in tags and name.partition(".")[0] not in broken:
        place.wrong(f"there is no tag {name!r}; {nearest(name, tags)}")
