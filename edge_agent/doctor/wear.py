"""What a configuration writes to the disk a day, for how long the disk bears it, and how much it keeps."""

import shutil
from pathlib import Path

from edge_agent.config import Config
from edge_agent.doctor.finding import Finding, bad, warn, well

DAY = 86_400.0
YEAR = 365 * DAY
COMMIT, ROW, INPUT = 8300.0, 280.0, 28.0
"""Bytes written for a commit, for a result, and for each of its inputs (bench/RESULTS.md)."""
SAMPLE = 2.2
"""Bytes written for a value in the flight recorder, between still and noisy ones."""
TIMES = 3000
"""How often flash of two bits a cell can be written over."""
AMPLIFICATION = 2
"""What the disk writes itself for each byte that it is given."""
LONG, SHORT = 10, 3
"""Years that a disk should last, and those that are too few."""
USED, USED_UP = 9, 11
"""Tenths of the life of an eMMC, as JEDEC JESD84-B51, 7.4 has them: 9 is 80 to 90 %, 11 is over."""
_LIVES = "*/device/life_time"


def look(config: Config, state: Path) -> list[Finding]:
    """Judge what the configuration means for the disk under the state folder."""
    found = [*lives(Path("/sys/block")), recording(config)]
    if state.is_dir():
        found.insert(0, wear(config, shutil.disk_usage(state).total))
    return found


def history(config: Config) -> float:
    """Return the bytes that the database's file is written with, a second."""
    results = sum((ROW + INPUT * len(m.inputs)) / m.bundle.manifest.period for m in config.machines)
    return COMMIT + results


def flight(config: Config) -> float:
    """Return the bytes that the flight recorder writes, a second."""
    if not config.history.flight:
        return 0.0
    periods = {scanned.tag.name: float(scanned.scan) for device in config.devices for scanned in device.tags}
    columns = set(periods.items())
    columns |= {(tag, m.bundle.manifest.period) for m in config.machines for tag in m.tags}
    return sum(SAMPLE / period for _, period in columns)


def wear(config: Config, size: int) -> Finding:
    """Judge how long a disk of `size` bytes bears what is written."""
    rows, images = history(config), flight(config)
    years = size * TIMES / AMPLIFICATION / ((rows + images) * YEAR)
    parts = f"history {_size(rows * DAY)}, flight recorder {_size(images * DAY)} a day"
    says = f"{parts}; {_size(size)} of flash bear it for {'over 30' if years > 30 else f'{years:.1f}'} years"
    todo = "scan less often, read fewer tags, take flight = 0 in [history], or a larger disk"
    if years < SHORT:
        return bad("wear", says, todo)
    return warn("wear", says, todo) if years < LONG else well("wear", says)


def recording(config: Config) -> Finding:
    """Judge whether the flight recorder has room for what it is to keep."""
    kept, a_second = config.history, flight(config)
    if not a_second:
        return well("recording", "none: flight = 0 in [history]")
    fits = kept.flight / a_second
    if fits >= kept.age:
        return well("recording", f"{kept.age / DAY:.3g} days")
    says = f"about {fits / DAY:.2g} of {kept.age / DAY:.3g} days fit into {_size(kept.flight)}"
    return warn("recording", says, "raise flight or lower age in [history]")


def lives(block: Path) -> list[Finding]:
    """Judge what eMMCs say of their own life."""
    return [life(path.parts[-3], path.read_text(encoding="ascii")) for path in sorted(block.glob(_LIVES))]


def life(name: str, text: str) -> Finding:
    """Judge the tenths of its life that an eMMC has used, as ``0x01 0x02`` for its two kinds of memory."""
    used = max(int(word, 16) for word in text.split())
    if not used:
        return well(name, "does not say how worn it is")
    says = f"{'over its' if used >= USED_UP else f'{10 * (used - 1)} to {10 * used} % of its'} life used"
    todo = "plan a new disk: a worn one turns read-only or loses data"
    if used >= USED_UP:
        return bad(name, says, todo)
    return warn(name, says, todo) if used >= USED else well(name, says)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
