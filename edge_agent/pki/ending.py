"""What of a pki folder ends when: our certificates, those that we trust, and revocation lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509

from edge_agent.pki.certificate import common_name, is_authority, is_self_signed, uris
from edge_agent.pki.folder import AUTHORITIES, PkiFolder
from edge_agent.pki.own import RENEW_BEFORE

SOON = RENEW_BEFORE
"""So long before its end a certificate is told, as ours get a successor."""
_TODO = {
    "ours": "the running agent makes a successor, edge-agent pki renew at once; every server has to trust it",
    "issued to us": "have its authority issue a new one into own/certs, with its key in own/private",
    "trusted": "renew it where it is used, then edge-agent pki trust CONFIG the new one beside it",
    "authority": "get its new certificate, then edge-agent pki trust CONFIG FILE",
    "revocation list": "fetch a newer one, then edge-agent pki trust CONFIG FILE --issuer",
}
Kind = Literal["ours", "issued to us", "trusted", "authority", "revocation list"]


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends. A revocation list that is past its end is still used, see `verify`."""

    kind: Kind
    name: str
    until: datetime
    file: Path
    certificate: x509.Certificate | None = None

    def days(self, now: datetime) -> int:
        """Return the whole days that are left, below 0 if it is over."""
        return (self.until - now) // timedelta(days=1)

    def is_due(self, now: datetime) -> bool:
        """Tell whether somebody has to see to it: to a list when it is over, which is made for days alone."""
        return self.until - now < (timedelta(0) if self.kind == "revocation list" else SOON)

    @property
    def todo(self) -> str:
        """What to do about it."""
        return _TODO[self.kind]

    def text(self, now: datetime) -> str:
        """One line for a person."""
        left = self.days(now)
        how = f"{left} days left" if left >= 0 else f"{-left} days ago"
        ends = "next update" if self.kind == "revocation list" else "until"
        return f"{self.kind} {self.name}: {ends} {self.until:%Y-%m-%d}, {how}"


def endings(folder: PkiFolder, now: datetime) -> list[Ending]:
    """Return what ends, the first to end first, without what a newer one follows. Changes nothing."""
    found = [*_ours(folder, now), *_theirs(folder), *_lists(folder)]
    return sorted(found, key=lambda ending: ending.until)


def _ours(folder: PkiFolder, now: datetime) -> Iterator[Ending]:
    """The newest of ours; the one before while it lasts, as some server may know no other."""
    found = folder.certificates("own/certs")[0]
    found.sort(key=lambda one: one[1].not_valid_before_utc, reverse=True)
    for place, (file, one) in enumerate(found):
        if place == 0 or one.not_valid_after_utc > now:
            kind: Kind = "ours" if is_self_signed(one) else "issued to us"
            yield Ending(kind, common_name(one.subject), one.not_valid_after_utc, file, one)


def _theirs(folder: PkiFolder) -> Iterator[Ending]:
    last: dict[tuple[str, ...], Ending] = {}
    for part in AUTHORITIES:
        for file, one in folder.certificates(f"{part}/certs")[0]:
            kind: Kind = "authority" if is_authority(one) else "trusted"
            ending = Ending(kind, common_name(one.subject), one.not_valid_after_utc, file, one)
            same = (kind, ending.name, *uris(one))
            if same not in last or last[same].until < ending.until:
                last[same] = ending
    yield from last.values()


def _lists(folder: PkiFolder) -> Iterator[Ending]:
    last: dict[str, Ending] = {}
    for part in AUTHORITIES:
        for file, crl in folder.lists(f"{part}/crl")[0]:
            name, until = common_name(crl.issuer), crl.next_update_utc
            if until is not None and (name not in last or last[name].until < until):
                last[name] = Ending("revocation list", name, until, file)
    yield from last.values()
