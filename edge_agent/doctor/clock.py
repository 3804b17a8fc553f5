"""The clocks: is the wall clock right, how fine is the monotonic one, how late does a sleep wake up."""

import time

import numpy as np

from edge_agent.doctor.finding import Finding, bad, warn, well
from edge_agent.moment import synchronised

EARLIEST = 1_767_225_600
"""2026-01-01 in Unix time: a clock before it was never set."""
COARSE = 1e-3
"""Seconds between two readings that a scan of 10 ms can still do with."""
LATE = 2e-3
"""Seconds that a scan may start late, 99th percentile."""
_SLEEPS = 200


def look() -> list[Finding]:
    """Look at the clocks of this box."""
    right, error = synchronised()
    lateness = []
    for _ in range(_SLEEPS):
        due = time.monotonic() + 1e-3
        time.sleep(1e-3)
        lateness.append(time.monotonic() - due)
    return [
        wall(time.time(), synchronised=right, error=error),
        monotonic(time.get_clock_info("monotonic").resolution),
        wakeups(lateness),
    ]


def wall(now: float, *, synchronised: bool, error: float) -> Finding:
    """Judge the wall clock: `now` in Unix time, `error` the kernel's own bound, in seconds."""
    says = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST:
        return bad("wall clock", f"{says}: never set", "set it; history would be written with this date")
    if not synchronised:
        todo = "run chrony or systemd-timesyncd; scans do not need it, the dates in the history do"
        return warn("wall clock", f"{says}, not synchronised", todo)
    return well("wall clock", f"{says}, synchronised within {1e3 * error:.0f} ms")


def monotonic(resolution: float) -> Finding:
    """Judge the resolution of the clock that scans run by, in seconds."""
    says = f"resolution {1e9 * resolution:.0f} ns"
    if resolution > COARSE:
        return bad("scan clock", says, "use a kernel with high resolution timers")
    return well("scan clock", says)


def wakeups(lateness: list[float]) -> Finding:
    """Judge how many seconds late sleeps of 1 ms woke up."""
    p50, p99 = np.percentile(lateness, [50, 99])
    says = f"{1e3 * p50:.2f} ms late, p99 {1e3 * p99:.2f} ms"
    if p99 > LATE:
        todo = "scans start that much late: find what else runs here, or give the agent a core of its own"
        return warn("wake-up", says, todo)
    return well("wake-up", says)
