"""What people do to a store: each is one change on the disk, then a word to the agent that runs."""

from pathlib import Path

from edge_agent import bundle as files
from edge_agent.bundles.store import Store, StoreError, sequence_of
from edge_agent.bundles.telling import take_over


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
