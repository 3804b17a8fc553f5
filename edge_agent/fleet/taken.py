"""What a gateway remembers of its orders: the last one of each subject, and how far it got with it."""

from pathlib import Path

import msgspec

from edge_agent import durable
from edge_agent.fleet.documents import Desired, Progress, Stage

FILE = "fleet.json"
MOST = 100
"""Subjects that are remembered; the oldest that came to an end is forgotten first."""
BEGUN = ("none", "fetching", "installing", "waiting")
"""What is begun again where it was interrupted."""


class Taken(msgspec.Struct, kw_only=True):
    """An order, who signed it, how far it got, and how often it was tried."""

    desired: Desired
    signer: str
    stage: Stage = "none"
    detail: str = ""
    verdict: str = ""
    tries: int = 0

    def progress(self) -> Progress:
        """Return what is reported of it."""
        return Progress(number=self.desired.number, stage=self.stage, detail=self.detail)


class Memory:
    """The orders by subject, on the disk after every change."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        try:
            self.orders = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Taken])
        except FileNotFoundError:
            self.orders = {}

    def number(self, subject: str) -> int:
        """Return the number of the last order of a subject, 0 for none."""
        return self.orders[subject].desired.number if subject in self.orders else 0

    def keep(self, taken: Taken) -> None:
        """Remember an order as it is now. Raises OSError."""
        self.orders[taken.desired.what.subject] = taken
        ended = sorted(
            (s for s, t in self.orders.items() if t.stage not in BEGUN),
            key=lambda subject: self.orders[subject].desired.number,
        )
        for subject in ended[: max(0, len(self.orders) - MOST)]:
            del self.orders[subject]
        durable.replace(self._path, msgspec.json.encode(self.orders))
