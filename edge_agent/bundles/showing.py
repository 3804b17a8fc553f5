"""Bundles and stores in words."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from edge_agent.bundle import Bundle
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store, names

_LAST = 5
"""Changes that are shown."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A name, its installed versions by sequence, and what is remembered of them."""

    name: str
    versions: dict[int, str]
    record: Record

    def text(self) -> str:
        """The same for a person."""
        lines = [self.name]
        for sequence, file in self.versions.items():
            lines.append(f"  {sequence:>6}  {file[7:19]}  {self._role(file)}".rstrip())
        for entry in self.record.journal[-_LAST:]:
            at = datetime.fromtimestamp(entry.time, UTC)
            lines.append(f"  {at:%Y-%m-%d %H:%M:%S} UTC  {entry.who}: {entry.what}")
        return "\n".join(lines)

    def _role(self, file: str) -> str:
        record = self.record
        if file == record.active:
            return "active" if record.committed else f"active, on trial, starts {record.attempts}"
        return {record.previous: "previous", record.candidate: "candidate"}.get(file, "")


def stores(state: Path) -> list[Listed]:
    """Return every name that has something installed. Raises `StoreError`."""
    found = (Store(state, name) for name in names(state))
    return [Listed(name=s.name, versions=s.versions(), record=s.read()) for s in found]


def text(bundle: Bundle) -> str:
    """Say what a bundle promises."""
    m = bundle.manifest
    inputs = ", ".join(f"{i.name} [{i.unit}]" if i.unit else i.name for i in m.inputs)
    outputs = ", ".join(f"{o.name} ({o.kind})" for o in m.outputs)
    return (
        f"{m.name} {m.version}, sequence {m.sequence}\n"
        f"inputs: {inputs}; {m.window} rows of {m.period:g} s, gaps of at most {m.max_gap:g} s\n"
        f"outputs: {outputs}\n"
        f"model: {m.model.recipe}, {len(bundle.model)} bytes, operators {', '.join(m.model.ops)}\n"
        f"known answers: {len(bundle.known.inputs)}; {'signed' if bundle.signature else 'not signed'}; "
        f"SHA-256 {bundle.sha256}"
    )
