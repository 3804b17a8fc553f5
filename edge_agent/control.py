"""What people ask of a running agent, over a Unix socket in its state folder: who may use that may ask.

One request a connection, a line of JSON each way. The name of who asks comes from the kernel.
"""

import asyncio
import pwd
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.build import Parts
from edge_agent.core.alarm import Command, Order
from edge_agent.core.orders import OrderRefused
from edge_agent.historian import Historian
from edge_agent.history.audit import Entry
from edge_agent.machine import Machine

SOCKET = "control.sock"
DEADLINE = 3.0
"""Seconds for a request to come whole, and for its answer."""
LONGEST_COMMENT = 500
_NAN = float("nan")
_PEER = struct.Struct("3i")
"""struct ucred of unix(7): process, user, group."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of one machine: an order to its alarms, see `core.alarm.Order`, or to write again.

    A `comment` is kept with what is asked, or by itself.
    """

    do: Literal["acknowledge", "reset", "shelve", "unshelve", "rearm", "comment"]
    machine: str
    output: str = ""
    shelf: float | None = None
    comment: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`refused` says why it was not done; "" if it was."""

    refused: str = ""


class Refused(Exception):
    """It was not done; the text says why."""


async def obey(parts: Parts, historian: Historian, request: Request, by: str) -> None:
    """Do what somebody asks, and keep that it was `by` them. Raises `Refused`.

    An order to alarms is obeyed in the machine's next cycle.
    """
    machine = next((m for m in parts.machines if m.name == request.machine), None)
    if machine is None:
        known = ", ".join(m.name for m in parts.machines)
        raise Refused(f"there is no machine {request.machine!r}; known: {known}")
    if request.do == "rearm":
        await _rearm(machine, parts.config.sha256, historian, by)
        return
    comment = " ".join(request.comment.split())
    if len(comment) > LONGEST_COMMENT:
        raise Refused(f"a comment has at most {LONGEST_COMMENT} characters")
    if request.do == "comment":
        historian.event(machine.name, "comment", f"{request.output or 'all'}: {comment}, by {by}")
        return
    try:
        machine.ask(Order(Command(request.do), request.output, request.shelf))
    except OrderRefused as error:
        raise Refused(f"machine {machine.name}: {error}") from None
    what = f"{request.do} {request.output or 'all'}"
    what += f" for {request.shelf:g} s" if request.shelf else ""
    what += f", by {by}"
    historian.event(machine.name, "order", f"{what}: {comment}" if comment else what)


async def _rearm(machine: Machine, config: str, historian: Historian, by: str) -> None:
    if not machine.latched:
        raise Refused(f"machine {machine.name}: writing is not latched off")
    entry = Entry(
        machine=machine.name,
        output="",
        old=_NAN,
        new=_NAN,
        why=f"writing re-armed by {by}",
        model=machine.model.bundle.sha256,
        config=config,
    )
    if not await historian.audit(entry):
        raise Refused(f"machine {machine.name}: the audit cannot be written, so it stays latched off")
    machine.rearm()


async def serve(
    state: Path, parts: Callable[[], Parts | None], historian: Historian
) -> asyncio.AbstractServer:
    """Answer requests at the socket until the server is closed. `parts` are the agent's of the moment."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                refused = await _answer(await reader.readline(), _peer(writer))
                writer.write(msgspec.json.encode(Answer(refused=refused)))
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked is gone, says nothing, or says too much
        finally:
            writer.close()

    async def _answer(line: bytes, by: str) -> str:
        there = parts()
        if there is None:
            return "the agent is still starting"
        try:
            await obey(there, historian, msgspec.json.decode(line, type=Request), by)
        except (msgspec.DecodeError, Refused) as error:
            return str(error)
        return ""

    path = state / SOCKET
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    return server


def _peer(writer: asyncio.StreamWriter) -> str:
    sock = writer.get_extra_info("socket")
    _, user, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def ask(state: Path, request: Request) -> None:
    """Ask the agent whose state folder this is. Raises `Refused`."""
    path = state / SOCKET
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(str(path))
            sock.sendall(msgspec.json.encode(request) + b"\n")
            said = msgspec.json.decode(sock.makefile("rb").read(), type=Answer)
    except (OSError, msgspec.DecodeError) as error:
        raise Refused(f"no agent answers at {path} ({error}); is it running, and may you use it?") from None
    if said.refused:
        raise Refused(said.refused)
