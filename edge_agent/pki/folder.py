"""The folder ``pki`` of the state folder: who we are, whom we trust, whom we turned away.

own/certs own/private        ours, and the keys
trusted/certs trusted/crl    servers, or authorities all of whose servers are trusted
issuers/certs issuers/crl    authorities that complete a chain; being here trusts nobody
rejected                     what was presented and refused; an operator moves it, no program does
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from edge_agent.pki import own
from edge_agent.pki.certificate import der, read_certificate, read_crl, thumbprint
from edge_agent.pki.own import Own

T = TypeVar("T")

MOST_REJECTED = 30
"""Anybody can present certificates; beyond so many the oldest goes."""
_FOLDERS = (
    *("own/certs", "own/private", "rejected"),
    *("trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl"),
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we trust, as read at one time."""

    trusted: list[x509.Certificate]
    issuers: list[x509.Certificate]
    crls: list[x509.CertificateRevocationList]


class PkiFolder:
    """The folder. Every method may raise OSError, and `Unreadable` for a file that does not belong there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def own(self, now: datetime) -> list[Own]:
        """Return our certificates, the newest valid one first; makes one if there is none or it ends soon.

        The one before stays beside its successor until it ends: a server may not trust the new one yet.
        Raises `own.ClockNotSet`.
        """
        with self._locked():
            found = own.load(self.folder / "own/certs", self.folder / "own/private")
            if own.needs_successor(found, now):
                found.insert(0, self._make(now))
                self._give()
            left = [one for one in found if one.certificate.not_valid_after_utc > now]
            first = own.begun(left, now)
            return [*first, *(one for one in left if one not in first)] or found[:1]

    def renew(self, now: datetime) -> Own:
        """Make a successor now."""
        with self._locked():
            made = self._make(now)
            self._give()
        return made

    def _make(self, now: datetime) -> Own:
        return own.make(self.folder / "own/certs", self.folder / "own/private", now)

    def trust(self) -> Trust:
        """Read whom we trust."""
        self._prepare()
        return Trust(
            trusted=self._all("trusted/certs", read_certificate),
            issuers=self._all("issuers/certs", read_certificate),
            crls=[*self._all("trusted/crl", read_crl), *self._all("issuers/crl", read_crl)],
        )

    def listed(self, part: str) -> list[tuple[Path, x509.Certificate]]:
        """Return the files of a part, such as ``trusted/certs`` or ``rejected``, and what is in them."""
        self._prepare()
        return [(path, read_certificate(path)) for path in sorted((self.folder / part).iterdir())]

    def reject(self, certificate: x509.Certificate) -> Path:
        """Keep a certificate that was refused, for an operator to look at."""
        self._prepare()
        rejected = self.folder / "rejected"
        path = rejected / f"{thumbprint(certificate)}.der"
        path.write_bytes(der(certificate))
        by_age = sorted(rejected.iterdir(), key=lambda file: file.stat().st_mtime)
        for oldest in by_age[:-MOST_REJECTED]:
            oldest.unlink()
        self._give()
        return path

    def add(self, part: str, data: bytes, name: str) -> Path:
        """Put a certificate or a revocation list into a part."""
        self._prepare()
        path = self.folder / part / name
        path.write_bytes(data)
        self._give()
        return path

    def _give(self) -> None:
        """Give what root made here to whom the state folder belongs: the service has to read its own key."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _all(self, part: str, reader: Callable[[Path], T]) -> list[T]:
        return [reader(path) for path in sorted((self.folder / part).iterdir())]

    def _prepare(self) -> None:
        for part in _FOLDERS:
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "own/private").chmod(0o700)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off whoever else would make a certificate: another device, or a command beside the agent."""
        self._prepare()
        lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
