"""What the server's process is told at its start, and what it sees of the running agent."""

import asyncio
from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.north.opcua.nameplate import Nameplate

SOCKET = "status.sock"
DEADLINE = 2.0
LARGEST = 16 * 1024**2


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """An input by its tag. The range is None where it has none."""

    tag: str
    unit: str
    low: float | None
    high: float | None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine: its inputs, the names of its outputs, those of them that have a warning, its nameplate.

    `severity` is that of what is raised, by ``alarm`` and ``warning`` (OPC 10000-5, 6.4.2).
    """

    name: str
    inputs: list[Input]
    outputs: list[str]
    warned: list[str] = []
    severity: dict[str, int]
    nameplate: Nameplate | None = None


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown. `state` and `pki` are folders."""

    name: str
    host: str
    port: int
    state: str
    pki: str
    machines: list[Machine]
    operators: list[str] = []
    """Credentials of the users who may acknowledge."""


class Word(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the server's process says to the agent, a line of JSON whenever it changes.

    The first one with `error` "" says that it listens; `clients` are open sessions.
    """

    clients: int = 0
    error: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a user asks of an alarm, a line of JSON to the agent as well: see `control.Request`."""

    number: int
    do: Literal["acknowledge", "comment"]
    machine: str
    output: str
    comment: str
    by: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's answer, a line of JSON on standard input: why it was refused, "" if it was done."""

    number: int
    refused: str


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What an output says; of `edge_agent.status.OutputStatus`, as far as it is shown."""

    name: str
    score: float | None
    value: float | None
    confidence: float | None
    alarm: bool
    alarm_state: str
    warning_state: str = "NORMAL"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is at; of `edge_agent.status.MachineStatus`, as far as it is shown."""

    name: str
    mode: str
    state: str
    reason: str
    score: float | None
    alarm: bool
    outputs: list[Output]
    inputs: dict[str, float | None]
    bundle: str


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    machines: list[Seen]


async def look(state: Path) -> dict[str, Seen] | None:
    """Return what the machines of the running agent are at, by name; None if it does not say."""
    try:
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_unix_connection(str(state / SOCKET))
            try:
                data = await reader.read(LARGEST)
                while piece := await reader.read(LARGEST):
                    data += piece
            finally:
                writer.close()
        return {seen.name: seen for seen in msgspec.json.decode(data, type=_Status).machines}
    except (OSError, TimeoutError, msgspec.DecodeError):
        return None
