"""What `check` tells of a configuration that is in order."""

import msgspec

from edge_agent.budget import Budget, budget
from edge_agent.config import Config
from edge_agent.config.modicon import both
from edge_agent.core.registers import Address
from edge_agent.core.tags import Tag


class TagLine(msgspec.Struct, frozen=True, kw_only=True):
    """One tag, its address in the driver's own notation and in Modicon's where there is one."""

    name: str
    address: str
    modicon: str
    type: str
    unit: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs, outputs and machines of a configuration."""

    tags: list[TagLine]
    outputs: list[TagLine]
    machines: list[str]
    budget: Budget
    warnings: list[str]

    def text(self, *, by_tag: bool = False) -> str:
        """The same for a person, with the age of every tag if so."""
        parts = [*_table("read", self.tags), *_table("written", self.outputs), *self.machines]
        parts += self.budget.text(by_tag=by_tag)
        return "\n".join([*parts, *(f"warning: {text}" for text in self.warnings), "ok"])


def summary(config: Config) -> Summary:
    """Summarise a checked configuration."""
    written = [machine.written for machine in config.machines if machine.written]
    planned = budget(config)
    return Summary(
        tags=[_line(scanned.tag) for device in config.devices for scanned in device.tags],
        outputs=[_line(tag) for result in written for tag in result.outputs]
        + [_line(output.tag) for machine in config.machines for output in machine.followed],
        machines=[
            f"machine {m.name}: bundle {m.bundle.manifest.name} {m.bundle.manifest.version}, every "
            f"{m.bundle.manifest.period:g} s, window {m.bundle.manifest.window}, mode {m.mode}"
            for m in config.machines
        ],
        budget=planned,
        warnings=[*config.warnings, *planned.warnings],
    )


def _line(tag: Tag) -> TagLine:
    address = tag.address
    if not isinstance(address, Address):
        return TagLine(name=tag.name, address=str(address), modicon="", type="", unit=tag.unit)
    wire, modicon = both(address)
    length = f"[{address.length}]" if address.length else ""
    return TagLine(
        name=tag.name,
        address=wire,
        modicon=modicon,
        type=f"{address.type}{length} {address.order}".strip(),
        unit=tag.unit,
    )


def _table(title: str, lines: list[TagLine]) -> list[str]:
    if not lines:
        return [f"{title}: nothing"]
    rows = [f"{x.name:<32} {x.address:<36} {x.modicon:<9} {x.type:<14} {x.unit}".rstrip() for x in lines]
    return [f"{title}:", *rows]
