"""Whether the other side of a session still stands: a session lives for months, a certificate may not."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509

from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.verify import Objection, Peer, objections

EVERY = timedelta(hours=1)
"""So often it is examined though nobody changed the folder: certificates and lists end by themselves."""


class Standing:
    """Of one session, begun when the other side was found to be the right one.

    `sent` are the certificates that it showed, its own first.
    """

    def __init__(
        self, folder: PkiFolder, sent: Sequence[x509.Certificate], peer: Peer, now: datetime
    ) -> None:
        self._folder, self._sent, self._peer = folder, sent, peer
        self._mark, self._examined = folder.mark(), now

    def is_due(self, now: datetime) -> bool:
        """Tell whether to `examine`: the folder changed, or it is long ago. Costs a stat of each file.

        Raises OSError.
        """
        return abs(now - self._examined) >= EVERY or self._folder.mark() != self._mark

    def examine(self, now: datetime) -> list[Objection]:
        """Return what refuses the other side now, [] if nothing. Reads every file. Raises OSError."""
        # Taken before anything is read: what changes in between is read again.
        self._mark, self._examined = self._folder.mark(), now
        found = objections(self._sent, self._folder.trust(), self._peer, now)
        return [objection for objection in found if objection.refuses]
