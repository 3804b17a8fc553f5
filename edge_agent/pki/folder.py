"""The folder ``pki`` of the state folder: who we are, whom we trust, whom we turned away.

own/certs own/private        ours, and the keys
own/aside                    what was damaged of ours
trusted/certs trusted/crl    servers, or authorities all of whose servers are trusted
issuers/certs issuers/crl    authorities that complete a chain; being here trusts nobody
rejected                     what was presented and refused; an operator moves it, no program does

A file that is nothing of this is told and counts for nothing.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_agent import durable
from edge_agent.pki import own, reading
from edge_agent.pki.certificate import Unreadable, der, thumbprint
from edge_agent.pki.own import Broken, Own
from edge_agent.pki.reading import Certificates, Lists, Stray

log = logging.getLogger(__name__)

MOST_REJECTED = 30
"""Anybody can present certificates; beyond so many the oldest goes."""
AUTHORITIES = ("trusted", "issuers")
_FOLDERS = (
    *("own/certs", "own/private", "rejected"),
    *("trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl"),
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom we trust, as read at one time. `unread` are lists that may revoke what nobody can tell."""

    trusted: list[x509.Certificate]
    issuers: list[x509.Certificate]
    crls: list[x509.CertificateRevocationList]
    unread: list[Path] = field(default_factory=list)
    files: dict[bytes, Path] = field(default_factory=dict)

    def where(self, one: x509.Certificate | x509.CertificateRevocationList, elsewhere: str = "") -> str:
        """Return the file of a certificate or a list."""
        return str(self.files.get(one.fingerprint(hashes.SHA256()), elsewhere))


class PkiFolder:
    """The folder. Every method may raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def own(self, now: datetime) -> list[Own]:
        """Return our certificates, the newest valid one first; makes one if there is none or it ends soon.

        The one before stays beside its successor until it ends: a server may not trust the new one yet.

        Raises:
            ClockNotSet: one has to be made, and this box does not know what day it is.
            Unreadable: there are only some that cannot be used. Somebody has to see that: with another one
                every server refuses us.
        """
        with self._locked():
            found, strays = self.ours()
            broken = [stray for stray in strays if isinstance(stray, Broken)]
            if broken and not found:
                raise Unreadable("; ".join(f"{one.file}: {one.why}{_mend(one)}" for one in broken))
            for stray in strays:
                reading.tell(stray)
            if own.needs_successor([one.certificate for one in found], now):
                self._succeed(found, now)
            left = [one for one in found if one.certificate.not_valid_after_utc > now]
            first = [one for one in left if own.has_begun(one.certificate, now)]
            return [*first, *(one for one in left if one not in first)] or found[:1]

    def renew(self, now: datetime) -> Own:
        """Make a successor now. Raises `ClockNotSet`."""
        with self._locked():
            made = self._make(now)
            self._give()
        return made

    def mend(self) -> list[tuple[Broken, list[Path]]]:
        """Put our certificates aside that are damaged; return each with where it is now."""
        with self._locked():
            broken = [one for one in self.ours()[1] if isinstance(one, Broken) and one.mendable]
            moved = [(one, own.put_aside(one, self.folder / "own/aside")) for one in broken]
            self._give()
        return moved

    def ours(self) -> tuple[list[Own], list[Stray]]:
        """Return our certificates that can be used, newest first, and what else is there."""
        return own.load(self.folder / "own/certs", self.folder / "own/private")

    def _succeed(self, found: list[Own], now: datetime) -> None:
        """Make a certificate. That a disk does not take it costs nothing while one is there already."""
        try:
            found.insert(0, self._make(now))
            self._give()
        except OSError as error:
            if not found:
                raise
            log.warning("%s: no successor of our certificate: %s", self.folder, error.strerror)

    def _make(self, now: datetime) -> Own:
        return own.make(self.folder / "own/certs", self.folder / "own/private", now)

    def trust(self) -> Trust:
        """Read whom we trust."""
        self._prepare()
        (trusted, one), (issuers, two) = (self.certificates(f"{part}/certs") for part in AUTHORITIES)
        (crls, three), (more, four) = (self.lists(f"{part}/crl") for part in AUTHORITIES)
        crls += more
        strays = [*one, *two, *three, *four]
        for stray in strays:
            reading.tell(stray)
        files = {found.fingerprint(hashes.SHA256()): path for path, found in [*issuers, *trusted]}
        files |= {crl.fingerprint(hashes.SHA256()): path for path, crl in crls}
        return Trust(
            trusted=[certificate for _, certificate in trusted],
            issuers=[certificate for _, certificate in issuers],
            crls=[crl for _, crl in crls],
            unread=[stray.file for stray in strays if stray.doubtful],
            files=files,
        )

    def mark(self) -> frozenset[tuple[str, int, int, int]]:
        """Return what is another whenever somebody changed a file that says who we are or whom we trust."""
        found = []
        for part in ("own/certs", "trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl"):
            with suppress(FileNotFoundError), os.scandir(self.folder / part) as entries:
                stats = [(entry.path, entry.stat()) for entry in entries]
                found += [(path, stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats]
        return frozenset(found)

    def certificates(self, part: str) -> tuple[Certificates, list[Stray]]:
        """Return the certificates of a part, such as ``trusted/certs``, and what else is there."""
        return reading.certificates(self.folder / part)

    def lists(self, part: str) -> tuple[Lists, list[Stray]]:
        """Return the revocation lists of a part, such as ``issuers/crl``, and what else is there."""
        return reading.lists(self.folder / part)

    def listed(self, part: str) -> Certificates:
        """Return the certificates of a part."""
        self._prepare()
        return self.certificates(part)[0]

    def reject(self, certificate: x509.Certificate) -> Path:
        """Keep a certificate that was refused, for an operator to look at."""
        self._prepare()
        rejected = self.folder / "rejected"
        path = rejected / f"{thumbprint(certificate)}.der"
        durable.replace(path, der(certificate))
        files = [file for file in rejected.iterdir() if file.is_file()]
        for oldest in sorted(files, key=lambda file: file.stat().st_mtime)[:-MOST_REJECTED]:
            oldest.unlink()
        self._give()
        return path

    def add(self, part: str, data: bytes, name: str) -> Path:
        """Put a certificate or a revocation list into a part."""
        self._prepare()
        path = self.folder / part / name
        durable.replace(path, data)
        self._give()
        return path

    def _give(self) -> None:
        """Give what root made here to whom the state folder belongs: the service has to read its own key."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)

    def _prepare(self) -> None:
        for part in _FOLDERS:
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        private = self.folder / "own/private"
        if private.stat().st_mode & 0o777 != 0o700:  # on a read-only disk even the same again is an error
            private.chmod(0o700)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off whoever else would make a certificate: another device, or a command beside the agent."""
        self._prepare()
        lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _mend(broken: Broken) -> str:
    return "; edge-agent pki renew CONFIG puts it aside and makes a new one" if broken.mendable else ""
