"""What the store remembers of one name: which version is active, which was before, and who changed it."""

import time

import msgspec

LONGEST_JOURNAL = 200
STARTS = 3
"""Starts without a commit after which a version is given up."""
AGENT = "agent"
"""Who has made a change that no person asked for."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `number` counts from 1, `time` is wall time in seconds since 1970, for people.

    `late` says that something took too long, which on another day it may not.
    """

    number: int
    time: float
    who: str
    what: str
    late: bool = False


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The versions by file name, "" for none.

    `committed` says that the active version has shown itself healthy; until then `attempts` counts starts.
    `highest` is the highest sequence that was installed, by the key that signed it. `recorded` is the number
    of the last entry of the journal that stands in the agent's history as well.
    """

    active: str = ""
    previous: str = ""
    candidate: str = ""
    committed: bool = False
    attempts: int = 0
    highest: dict[str, int] = {}
    journal: list[Entry] = []
    recorded: int = 0

    def tell(self, who: str, what: str, *, late: bool = False) -> None:
        """Put a change into the journal, which forgets the oldest."""
        number = self.journal[-1].number + 1 if self.journal else 1
        self.journal.append(Entry(number=number, time=time.time(), who=who, what=what, late=late))
        del self.journal[:-LONGEST_JOURNAL]

    def activate(self, file: str) -> None:
        """Make a version the active one: on trial until it is committed."""
        self.previous, self.active = self.active, file
        self.committed, self.attempts = False, 0
        if self.candidate == file:
            self.candidate = ""

    def roll_back(self) -> None:
        """Go back to the version before, or to none. What was rolled back is never gone back to by itself."""
        self.active, self.previous = self.previous, ""
        self.committed, self.attempts = False, 0

    def take_over(self) -> None:
        """An agent that runs takes the active version over: on trial, that is its first start."""
        if self.active and not self.committed:
            self.attempts = max(self.attempts, 1)

    def commit(self) -> None:
        """Keep the active version: it has shown itself healthy."""
        self.committed, self.attempts = True, 0

    def end_well(self) -> None:
        """Forget the starts so far: an orderly stop is no failure of a version's."""
        self.attempts = 0

    def begin(self) -> bool:
        """Count a start of the active version; False if it has used up its starts."""
        if self.committed or not self.active:
            return True
        self.attempts += 1
        return self.attempts <= STARTS
