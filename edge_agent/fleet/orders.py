"""The orders of a gateway: which is to be done next, how far it got with each, and when it tries again.

The last order of each subject is remembered on the disk, so that none is obeyed twice, nor an older one.
"""

import logging
import random
import time
from pathlib import Path

import msgspec

from edge_agent import durable
from edge_agent.fleet.documents import LONGEST_DETAIL, Desired, Progress, Stage

FILE = "fleet.json"
MOST = 100
"""Subjects that are remembered; the oldest that came to an end is forgotten first."""
BEGUN = ("none", "fetching", "installing", "waiting")
"""What is begun again where it was interrupted."""
TRIES, AGAIN, LONGEST_AGAIN = 6, 30.0, 900.0
"""How often is tried what could not be done just now; seconds until the second time, then doubled."""

log = logging.getLogger(__name__)


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


class Orders:
    """Those of one gateway. `by_subject` are the ones that were taken up."""

    def __init__(self, state: Path) -> None:
        self._path = state / FILE
        self._pending: dict[str, Taken] = {}
        self._due: dict[str, float] = {}
        self.by_subject = self._load()

    def _load(self) -> dict[str, Taken]:
        """Read what was remembered; without it, orders that are still at the broker are carried out again."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Taken])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s: cannot be read, and begins anew: %s", self._path, error)
            return {}

    @property
    def on_trial(self) -> list[Taken]:
        """Those of which it is not known yet what becomes of them."""
        return [taken for taken in self.by_subject.values() if taken.stage == "trial"]

    def hear(self, desired: Desired, signer: str) -> str:
        """Take an order to be done if it is new, or was interrupted; return why it is not obeyed, else ""."""
        subject = desired.what.subject
        known = self.by_subject.get(subject)
        if known is None or desired.number > known.desired.number:
            self._pending[subject] = Taken(desired=desired, signer=signer)
            self._due.pop(subject, None)
        elif desired.number < known.desired.number:
            return f"order {desired.number} is older than {known.desired.number}, and is not obeyed"
        elif known.stage in BEGUN:
            self._pending[subject] = known
        return ""

    def next(self) -> Taken | None:
        """Return the oldest order that is due; it is no longer pending once it is `begun`."""
        now = time.monotonic()
        due = [t for subject, t in self._pending.items() if self._due.get(subject, 0.0) <= now]
        return min(due, key=lambda taken: taken.desired.number, default=None)

    def begun(self, taken: Taken) -> None:
        """Do not give this order again, unless it is heard again."""
        del self._pending[taken.desired.what.subject]

    def later(self, taken: Taken, why: str) -> None:
        """Give this order again in a while, or refuse it if that was done often enough. Raises OSError."""
        taken.tries += 1
        if taken.tries >= TRIES:
            self.keep(taken, "refused", f"{why}; tried {taken.tries} times")
            return
        seconds = min(AGAIN * 2 ** (taken.tries - 1), LONGEST_AGAIN) * random.uniform(1, 2)  # noqa: S311
        self.keep(taken, "waiting", f"{why}; try {taken.tries + 1} of {TRIES} in {seconds:.0f} s")
        subject = taken.desired.what.subject
        if subject not in self._pending:
            self._pending[subject] = taken
            self._due[subject] = time.monotonic() + seconds

    def keep(self, taken: Taken, stage: Stage, detail: str = "") -> None:
        """Remember how far an order got. Raises OSError."""
        taken.stage, taken.detail = stage, detail[:LONGEST_DETAIL]
        log.info("fleet: order %d: %s %s", taken.desired.number, stage, detail)
        self.by_subject[taken.desired.what.subject] = taken
        ended = sorted(
            (subject for subject, taken in self.by_subject.items() if taken.stage not in BEGUN),
            key=lambda subject: self.by_subject[subject].desired.number,
        )
        for subject in ended[: max(0, len(self.by_subject) - MOST)]:
            del self.by_subject[subject]
        durable.replace(self._path, msgspec.json.encode(self.by_subject))
