"""Telling systemd how it is: READY once everything cycles, WATCHDOG only while everything progresses."""

import os
import socket
from collections.abc import Sequence

from edge_agent.scan import Scan

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


def progress(scans: Sequence[Scan], now: float) -> bool:
    """Whether every scan finished a cycle lately; `now` is the loop's time."""
    return all(scan.cycles and now - scan.finished_at < LATE * scan.period + LATE for scan in scans)
