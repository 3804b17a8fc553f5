"""What must hold whatever goes wrong, looked at from outside: the wire, the PLCs' registers, the process."""

import math
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import psutil
from plc_line import Line

from edge_agent.core.resultblock import LAYOUT, State
from edge_agent.core.tags import Reason
from edge_agent.plant.plc import crc

SETPOINT, LOW, HIGH = 100, 1000, 1500
BLOCK = (16, 400)
VALID = {State.READY, State.ADVISORY, State.ACTIVE}


@dataclass
class Grown:
    """What a process holds at each look: `rss` in MB, `fds` descriptors."""

    rss: list[float] = field(default_factory=list)
    fds: list[int] = field(default_factory=list)

    def look(self, process: psutil.Process) -> None:
        """Take one sample."""
        rss, fds = process.memory_info().rss / 1e6, process.num_fds()
        self.rss.append(rss)
        self.fds.append(fds)

    def more(self) -> tuple[float, float]:
        """Return how many MB and descriptors the last third holds more than the second."""
        return _growth(self.rss), _growth(self.fds)

    def report(self) -> dict[str, list[float]]:
        """Return the first, largest and last of both, and how much both grew."""
        rss, fds = self.rss, self.fds
        return {
            "rss_mb": [rss[0], max(rss), rss[-1]],
            "fds": [fds[0], max(fds), fds[-1]],
            "growth": list(self.more()),
        }


class Watch:
    """Looks at a line twice a second in a thread of its own. `broken` are the promises that did not hold."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.broken: list[str] = []
        self.seen: Counter[str] = Counter()
        self.agent = Grown()
        self.models: dict[int, Grown] = {}
        """By process: the child dies, and is killed, now and then."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._wire()

    def _run(self) -> None:
        process = psutil.Process(self._line.agent.process.pid)
        while not self._stop.wait(0.5):
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                self.broken.append("the agent ended")
                return
            self.agent.look(process)
            for child in process.children():
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    if "inference.child" in " ".join(child.cmdline()):
                        self.models.setdefault(child.pid, Grown()).look(child)
            self._wire()
            for name in "abc":
                self._frame(name)

    def _wire(self) -> None:
        """Every write is a result block, or the declared output of a inside its limits."""
        for name, proxy in self._line.proxies.items():
            requests, proxy.requests = proxy.requests, []
            for pdu in requests:
                if pdu[0] not in (5, 6, 15, 16, 22, 23):
                    self.seen["reads"] += 1
                    continue
                (address,) = struct.unpack(">H", pdu[1:3])
                if (pdu[0], address) == BLOCK and pdu[3:5] == b"\x00\x14":
                    self.seen["blocks"] += 1
                    continue
                (value,) = struct.unpack(">H", pdu[-2:])
                if name != "a" or address != SETPOINT or not LOW <= value <= HIGH:
                    self.broken.append(f"PLC {name} was sent {pdu.hex()}")
                self.seen["outputs"] += 1

    def _frame(self, name: str) -> None:
        try:
            words = self._line.plc[name].registers(400, 20)
        except Exception:  # noqa: BLE001 - a PLC without power raises whatever pymodbus likes
            return
        if not words[0]:
            return
        (score,) = struct.unpack(">f", struct.pack(">2H", words[6], words[7]))
        state, reason = State(words[3]), Reason(words[4])
        self.seen[f"{state.name}"] += 1
        self.seen[f"reason {reason.name}"] += 1
        sound = words[0] == LAYOUT and words[19] == crc(words[:19]) and words[2] == words[18]
        if not sound:
            self.broken.append(f"a torn frame in {name}: {words}")
        elif (state in VALID) != math.isfinite(score) or (state in VALID) != (reason is Reason.NONE):
            self.broken.append(f"{name} shows {state.name}, {reason.name}, score {score}")


def _growth(samples: Sequence[float]) -> float:
    """Return how much the last third's median is above that of the second third."""
    third = len(samples) // 3
    return float(np.median(samples[2 * third :]) - np.median(samples[third : 2 * third]))
