"""What people do to a store: each is one change on the disk, then a word to the agent that runs."""

from collections.abc import Mapping
from pathlib import Path

from edge_agent import bundle as files
from edge_agent.bundles.candidate import read_tally, tally_path
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.bundles.telling import take_over, tell
from edge_agent.core.comparison import Promotion, shortfalls
from edge_agent.status import NotRunning, ask


def activate(state: Path, name: str, sequence: int, who: str) -> str:
    """Make an installed version the active one; return what became of it.

    Raises `BundleError`, `StoreError`, OSError.
    """
    store = Store(state, name)
    file = store.version(sequence)
    files.read(store.folder / file)
    with store.changing() as record:
        if record.active != file:
            record.activate(file)
            record.tell(who, f"activated {sequence}")
    return f"{name}: {sequence} is active; {take_over(state, name)}"


def nominate(state: Path, name: str, sequence: int | None, who: str) -> str:
    """Let an installed version run beside the active one, or with None no version; return what became of it.

    Raises `BundleError`, `StoreError`, OSError.
    """
    store = Store(state, name)
    file = store.version(sequence) if sequence else ""
    if file:
        files.read(store.folder / file)
    with store.changing() as record:
        if file and file == record.active:
            raise StoreError(f"{name}: {sequence} is the active one")
        record.candidate = file
        record.tell(who, f"candidate is {sequence or 'none'}")
    return f"{name}: candidate is {sequence or 'none'}; {tell(state)}"


def promote(
    state: Path, name: str, machines: Mapping[str, Promotion], who: str, *, force: bool = False
) -> str:
    """Make the candidate the active one if it has shown what each of the machines wants.

    With `force` all the same, and the journal keeps what was lacking. Returns and raises as `activate`.
    """
    store = Store(state, name)
    record = store.read()
    if not record.candidate:
        raise StoreError(f"{name}: there is no candidate; edge-agent bundle candidate names one")
    lacking = [
        f"{machine}: {problem}"
        for machine, wanted in machines.items()
        for problem in _lacking(store, record, machine, wanted)
    ] or ([] if machines else ["no machine of the configuration has this bundle"])
    if lacking and not force:
        raise StoreError(f"{name}: not promoted: {'; '.join(lacking)}; --force promotes it all the same")
    if lacking:
        with store.changing() as changed:
            changed.tell(who, f"promotion forced although {'; '.join(lacking)}")
    return activate(state, name, sequence_of(record.candidate), who)


def _lacking(store: Store, record: Record, machine: str, wanted: Promotion) -> list[str]:
    """Return what a machine's tally lacks: as the running agent has it, else as it was kept."""
    try:
        machines = ask(store.folder.parent.parent).machines
        tally = next((m.candidate.tally for m in machines if m.name == machine and m.candidate), None)
    except NotRunning:
        tally = read_tally(tally_path(store.folder, machine))
    if (
        tally is None
        or tally.active[:12] not in record.active
        or tally.candidate[:12] not in record.candidate
    ):
        return ["nothing was counted of these two"]
    return shortfalls(tally, wanted)


def roll_back(state: Path, name: str, who: str) -> str:
    """Go back to the version before; return what became of it. Raises `StoreError`, OSError."""
    store = Store(state, name)
    with store.changing() as record:
        if not record.previous:
            raise StoreError(
                f"{name}: there is no version before; edge-agent bundle activate takes any other"
            )
        left = record.active
        record.roll_back()
        record.tell(who, f"rolled back from {sequence_of(left)} to {sequence_of(record.active)}")
    return f"{name}: {sequence_of(record.active)} is active; {take_over(state, name)}"
