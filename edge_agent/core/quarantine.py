"""What a device refuses: a block is halved until the bad address stands alone, its neighbours go on.

A planned block that was refused is torn: its values stand in parts that are asked in every cycle, in
suspects that are asked until they are answered or halved to one value, or alone in quarantine. A cycle
asks a bounded number of suspects. Once all is known, what stands between two bad addresses is one part
again, so that a bad address costs one request more and not many.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edge_agent.core.readplan import Block, block_of

FIRST_RETRY, LAST_RETRY = 5_000_000_000, 60_000_000_000
"""Nanoseconds until an address in quarantine is asked again: doubled from the first to the last."""
EXTRA = 8
"""Suspects that one cycle asks."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one request asks for: spans `first` up to `stop` of the planned block with index `of`."""

    block: Block
    of: int
    first: int
    stop: int


@dataclass(slots=True)
class _Torn:
    """A planned block in pieces: every span is in one of `parts` or `suspects`, or `bad` until a time.

    `known` are the spans that were told to be bad, and how long they were last left alone.
    """

    whole: Part
    suspects: list[Part]
    parts: list[Part] = field(default_factory=list)
    bad: dict[int, tuple[int, Part]] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    found: bool = False

    def part(self, first: int, stop: int) -> Part:
        whole = self.whole
        return Part(block_of(whole.block.spans[first:stop]), whole.of, first, stop)

    def join(self) -> None:
        edges = [-1, *sorted(self.bad), self.whole.stop]
        self.parts = [self.part(a + 1, b) for a, b in pairwise(edges) if a + 1 < b]
        self.found = False


@dataclass(frozen=True, slots=True)
class Change:
    """A value that went into quarantine (`bad`) or came out of it."""

    block: Block
    bad: bool


class Quarantine:
    """The requests of one scan class as its device lets them be made. Times are monotonic, in ns."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._whole = [Part(block, of, 0, len(block.spans)) for of, block in enumerate(blocks)]
        self._torn: dict[int, _Torn] = {}
        self._asked: set[Part] = set()
        self._retrying = False
        self._now = 0
        self.changes: list[Change] = []
        """What changed since somebody emptied the list."""

    @property
    def is_needed(self) -> bool:
        """Whether anything was refused."""
        return bool(self._torn)

    def begin(self, now: int) -> list[Part]:
        """Begin a cycle: return what to ask first. Then ask for `more` until there is none."""
        self._now, self._retrying = now, True
        self._asked.clear()
        if not self._torn:
            return self._whole
        asked: list[Part] = []
        for whole in self._whole:
            torn = self._torn.get(whole.of)
            if torn is None:
                asked.append(whole)
                continue
            if torn.found and not torn.suspects:
                torn.join()
            asked += torn.parts
        return asked + self.more()

    def more(self) -> list[Part]:
        """Return the suspects that are asked next in this cycle; call it when all before are settled."""
        if not self._torn:
            return []
        self._retry()
        room = EXTRA - len(self._asked)
        waiting = [s for torn in self._torn.values() for s in torn.suspects if s not in self._asked]
        self._asked.update(waiting[:room])
        return waiting[:room]

    def answered(self, part: Part) -> None:
        """Settle a request that the device answered."""
        torn = self._torn.get(part.of)
        if torn is None:
            return
        if part in torn.suspects:
            torn.suspects.remove(part)
            insort(torn.parts, part, key=lambda p: p.first)
        if part.first in torn.known:
            del torn.known[part.first]
            torn.found = True
            self.changes.append(Change(part.block, bad=False))
            self._retrying = True
        if part.stop - part.first == torn.whole.stop:
            del self._torn[part.of]

    def refused(self, part: Part) -> None:
        """Settle a request whose address the device refused."""
        torn = self._torn.setdefault(part.of, _Torn(part, [part]))
        held = torn.suspects if part in torn.suspects else torn.parts
        held.remove(part)
        if part.stop - part.first > 1:
            middle = (part.first + part.stop) // 2
            halves = [torn.part(part.first, middle), torn.part(middle, part.stop)]
            torn.suspects[:0] = halves
            return
        if part.first not in torn.known:
            torn.found = True
            self.changes.append(Change(part.block, bad=True))
        wait = min(2 * torn.known.get(part.first, FIRST_RETRY // 2), LAST_RETRY)
        torn.known[part.first] = wait
        torn.bad[part.first] = self._now + wait, part

    @property
    def suspects(self) -> list[Block]:
        """What was refused and is not known to be good or bad yet."""
        return [part.block for torn in self._torn.values() for part in torn.suspects]

    @property
    def bad(self) -> list[Block]:
        """What is in quarantine, each value by itself."""
        return [part.block for torn in self._torn.values() for _, part in torn.bad.values()]

    def _retry(self) -> None:
        """Make the one that waited longest a suspect again: one in a cycle, as long as it is refused."""
        if not self._retrying:
            return
        bad = ((when, torn, r) for torn in self._torn.values() for when, r in torn.bad.values())
        when, torn, part = min(bad, key=lambda entry: entry[0], default=(self._now + 1, None, None))
        if when <= self._now and torn is not None and part is not None:
            self._retrying = False
            del torn.bad[part.first]
            torn.suspects.append(part)
