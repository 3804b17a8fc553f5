"""Telling systemd how it is: READY once everything cycles, WATCHDOG only while everything progresses."""

import os
import socket

from edge_agent.build import Parts
from edge_agent.historian import Historian

LATE = 5.0
"""Periods, and seconds beside them, without a finished cycle before a scan counts as hung."""


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

    A model that does not answer is not among it: its host ends the child at its deadline.
    """
    for scan in parts.scans:
        if not scan.cycles or now - scan.finished_at > LATE * scan.period + LATE:
            return f"scan every {scan.period:g} s"
    return "" if historian.progresses else "historian"


def status_text(parts: Parts, hung: str) -> str:
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
    return "; ".join([devices, *machines])
