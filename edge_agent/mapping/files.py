"""All files of `edge-agent map`: rendered whole before the first is written."""

from datetime import datetime
from pathlib import Path

from edge_agent.config import Config
from edge_agent.core.registers import Address
from edge_agent.mapping import plcopen, structured_text, tables
from edge_agent.mapping.contract import contract
from edge_agent.mapping.entries import entries
from edge_agent.mapping.interface import sections


class MapError(Exception):
    """Nothing can be written; the text says why and what to do."""


def render(config: Config, made: datetime) -> dict[str, str]:
    """Return the text of every file by its name. Raises MapError if two machines would share one."""
    blocks = _blocks(config)
    listed = entries(config)
    texts = {
        "map.csv": tables.as_csv(listed),
        "map.md": tables.as_markdown(config.name, listed),
        "contract.md": contract(config, blocks),
    }
    interfaces = {
        blocks[machine.name]: (machine.name, sections(machine, machine.result.heartbeat))
        for machine in config.machines
        if machine.name in blocks and machine.result is not None
    }
    for block, (machine_name, interface) in interfaces.items():
        title = f"Watches the result block that {config.name} writes for machine {machine_name}."
        texts[f"{block}.st"] = structured_text.function_block(block, title, interface)
    if interfaces:
        shown = {block: interface for block, (_, interface) in interfaces.items()}
        texts["plcopen.xml"] = plcopen.project(config.name, shown, structured_text.body(), made)
    return texts


def write(texts: dict[str, str], folder: Path) -> list[Path]:
    """Write the files into `folder`, over those of the last time. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        path = folder / name
        fresh = path.with_suffix(path.suffix + ".new")
        fresh.write_text(text, encoding="utf-8", newline="")
        fresh.replace(path)
        paths.append(path)
    return paths


def _blocks(config: Config) -> dict[str, str]:
    """Return the function blocks' names by machine: those with a whole block in Modbus registers."""
    names: dict[str, str] = {}
    for machine in config.machines:
        result = machine.result
        if result is None or result.chosen or not isinstance(result.outputs[0].address, Address):
            continue
        name = structured_text.block_name(machine.name)
        for other, taken in names.items():
            if taken.upper() == name.upper():
                raise MapError(
                    f"machines {other} and {machine.name}: both would be {name} in the PLC; rename one"
                )
        if name == "FB_":
            raise MapError(f"machine {machine.name}: a PLC's names need a letter or digit; rename it")
        names[machine.name] = name
    return names
