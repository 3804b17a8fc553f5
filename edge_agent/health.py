"""Telling systemd how it is: READY once everything cycles, WATCHDOG only while everything progresses."""

import os
import socket
from collections.abc import Iterator

from edge_agent.build import Parts
from edge_agent.historian import Historian

LATE = 5.0
"""Periods, and seconds beside them, without a finished cycle before a scan counts as hung."""
STUCK = 300.0
"""Seconds beyond all deadlines of the devices after which a read or a write counts as hung.

Many, because either may wait for a connect, which asks a slow server for thousands of nodes.
"""
ATTEMPTS = 4
"""Deadlines of every device that one may have to wait for: they may share a link."""
LONGEST_PROOF = 20.0
"""Seconds that READY waits for models. systemd waits a minute for it, and a slow box is no reason to loop."""


def notify(text: str) -> None:
    """Send one message to systemd (sd_notify(3)). Does nothing where there is no systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(text.encode())
        except OSError:
            return  # a full or missing socket is systemd's to notice: it restarts us


def hung(parts: Parts, historian: Historian, now: float) -> str:
    """Name what makes no progress, or return ""; `now` is the loop's time.

    A device that is silent, a model that does not answer and a disk that hangs are not among it: each has a
    deadline, or is waited for by nobody, and would be the same after a restart.
    """
    return next(_hung(parts, now), "") or historian.hung


def _hung(parts: Parts, now: float) -> Iterator[str]:
    patience = STUCK + ATTEMPTS * sum(float(device.table.timeout) for device in parts.config.devices)
    for scan in parts.scans:
        late = LATE * scan.period + LATE
        if not scan.cycles or now - scan.finished_at > late:
            yield f"scan every {scan.period:g} s"
        for group in scan.groups:
            if now - group.thinking_since > late:
                yield f"model of {', '.join(machine.name for machine in group.machines)}"
        for device in scan.reading_since(now - patience):
            yield f"reading of {device.name}"
    for machine in parts.machines:
        if now - machine.writing_since > patience:
            yield f"writing of {machine.name}"


class Start:
    """The first complete cycle: models are proven, or known to fail, and then every scan has had a cycle.

    `now` is the loop's time. It is over in a bounded time, whatever the plant and the models do.
    """

    def __init__(self, now: float) -> None:
        self._latest, self._settled = now + LONGEST_PROOF, float("inf")

    def over(self, parts: Parts, now: float) -> bool:
        """Return whether it is over. A scan of a long period is not waited for again."""
        if now < self._settled and (now >= self._latest or all(m.settled for m in parts.models)):
            self._settled = now
        return now >= self._settled + LATE or all(s.began_at >= self._settled for s in parts.scans)


def status_text(parts: Parts, historian: Historian, hung: str) -> str:
    """Say in one line what the plant looks like, for `systemctl status`."""
    if hung:
        return f"waiting for {hung}"
    silent = [device.name for device in parts.devices if not device.healthy]
    devices = f"{len(parts.devices) - len(silent)} of {len(parts.devices)} devices answer"
    if silent:
        devices += f" ({', '.join(silent[:3])}{', ...' if len(silent) > 3 else ''} silent)"
    machines = [
        f"{machine.name} {machine.verdict.state.name}{' ALARM' if machine.verdict.alarm else ''}"
        for machine in parts.machines[:5]
    ]
    history = [f"history: {historian.trouble}"] if historian.trouble else []
    return "; ".join([devices, *machines, *history])
