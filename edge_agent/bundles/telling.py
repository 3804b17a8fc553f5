"""Telling the agent of a state folder that a store has changed, and hearing what it made of it."""

import fcntl
import os
import signal
import time
from pathlib import Path

from edge_agent.bundles.store import NotNow, Store, StoreError, sequence_of
from edge_agent.status import NotRunning, ask

LOCK = "lock"
TOLD = "the agent was told"
PATIENCE = 40.0
"""Seconds for an agent to start a child, prove it and swap."""
POLL = 0.1


def running(state: Path) -> int | None:
    """Return the process id of the agent that holds this folder, None if none does."""
    try:
        with (state / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        return None
    return None


def take_over(state: Path, name: str) -> str:
    """Let a running agent take over what is active now; return in words what became of it.

    Raises `StoreError` if it refused, `NotNow` if it was too busy or does not say.
    """
    store = Store(state, name)
    wanted = store.read().active
    said = tell(state)
    return said if said != TOLD else _outcome(store, state, wanted)


def tell(state: Path) -> str:
    """Let a running agent read its configuration again; return `TOLD`, or why there is nobody to tell.

    Raises `StoreError`.
    """
    pid = running(state)
    if pid is None:
        return "no agent is running; it is taken at the next start"
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise StoreError(
            "changed, but this user may not tell the agent: systemctl reload edge-agent"
        ) from None
    except ProcessLookupError:
        return "the agent has just ended; it is taken at the next start"
    return TOLD


def _outcome(store: Store, state: Path, wanted: str) -> str:
    until = time.monotonic() + PATIENCE
    said = "does not answer"
    while time.monotonic() < until:
        record = store.read()
        if record.active != wanted:
            last = record.journal[-1]
            raise (NotNow if last.late else StoreError)(f"refused by the running agent: {last.what}")
        try:
            machines = [m for m in ask(state).machines if m.stored == store.name]
        except NotRunning as error:
            said = str(error)
        else:
            if not machines:
                return f"the running agent has no machine with bundle = {store.name!r}"
            if all(m.bundle_id == wanted[7:19] for m in machines):
                return f"running in {', '.join(m.name for m in machines)}, on trial"
            said = f"still runs {machines[0].bundle}"
        time.sleep(POLL)
    raise NotNow(
        f"sequence {sequence_of(wanted)} is active, but after {PATIENCE:g} s the running agent {said}; "
        "see its log"
    )
