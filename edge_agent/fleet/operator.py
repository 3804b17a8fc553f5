"""Orders are carried out as an operator would, with the same commands; and what can become of that."""

import asyncio
import sys
from collections.abc import Sequence

from edge_agent.fleet.documents import LONGEST_DETAIL

DEADLINE = 300.0
"""Seconds that a command may take, canary and all."""
TRY_AGAIN = 75


class Failed(Exception):
    """What was told cannot be done here; the text says why."""


class NotNow(Failed):
    """It could not be done just now, and may be a little later."""


async def edge_agent(arguments: Sequence[str]) -> str:
    """Do what an operator would, in a process of its own: no cycle waits. Raises `Failed`, `NotNow`."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "edge_agent", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            said, complaints = await child.communicate()
    except TimeoutError:
        raise NotNow(f"edge-agent {' '.join(arguments[:2])} did not end within {DEADLINE:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        text = complaints.decode(errors="replace").strip()[-LONGEST_DETAIL:]
        raise (NotNow if child.returncode == TRY_AGAIN else Failed)(text)
    return said.decode(errors="replace")
