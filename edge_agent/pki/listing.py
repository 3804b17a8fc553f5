"""What is in a pki folder, a line for each file: certificates, revocation lists, and what is neither."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509

from edge_agent.pki.certificate import common_name, hosts, thumbprint, uris
from edge_agent.pki.folder import AUTHORITIES, PkiFolder
from edge_agent.pki.reading import Stray

PARTS = ("own/certs", "trusted/certs", "issuers/certs", "rejected")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the folder. `problem` is why it is not used, or not all of it.

    `until` is a certificate's end, or when a list's next update is due; empty if that is not said.
    """

    part: str
    kind: Literal["certificate", "revocation list", "stray"]
    file: str
    name: str
    thumbprint: str = ""
    issuer: str = ""
    until: str = ""
    expired: bool = False
    uri: str = ""
    hosts: list[str] = []
    revoked: int | None = None
    problem: str = ""

    def text(self) -> str:
        """One line for a person."""
        if self.kind == "stray":
            return f"{self.part:<14} LOOK AT {self.file}: {self.problem}"
        until = f"{'EXPIRED' if self.expired else 'until'} {self.until[:10]}"
        if self.kind == "revocation list":
            until = f"{'OUT OF DATE' if self.expired else 'next update'} {self.until[:10] or 'not said'}"
            return (
                f"{self.part:<14} {f'revocation list, {self.revoked} revoked':<40}  {until:<22} {self.name}"
            )
        by = "" if self.issuer == self.name else f"  by {self.issuer}"
        return f"{self.part:<14} {self.thumbprint}  {until:<22} {self.name}{by}  {self.uri}".rstrip()


def listed(folder: PkiFolder, now: datetime) -> list[Line]:
    """Return every file of the folder. Raises OSError."""
    return list(_lines(folder, now))


def _lines(folder: PkiFolder, now: datetime) -> Iterator[Line]:
    for part in PARTS:
        found, strays = folder.certificates(part)
        for path, certificate in found:
            yield _certificate(part, path, certificate, now)
        yield from _strays(part, folder.ours()[1] if part == "own/certs" else strays)
    for part in (f"{name}/crl" for name in AUTHORITIES):
        lists, strays = folder.lists(part)
        for path, crl in lists:
            yield _list(part, path, crl, now)
        yield from _strays(part, strays)


def _certificate(part: str, path: Path, certificate: x509.Certificate, now: datetime) -> Line:
    return Line(
        part=part,
        kind="certificate",
        file=str(path),
        name=common_name(certificate.subject),
        thumbprint=thumbprint(certificate),
        issuer=common_name(certificate.issuer),
        until=certificate.not_valid_after_utc.isoformat(),
        expired=certificate.not_valid_after_utc < now,
        uri=", ".join(uris(certificate)),
        hosts=hosts(certificate),
    )


def _list(part: str, path: Path, crl: x509.CertificateRevocationList, now: datetime) -> Line:
    until = crl.next_update_utc
    return Line(
        part=part,
        kind="revocation list",
        file=str(path),
        name=common_name(crl.issuer),
        until=until.isoformat() if until else "",
        expired=until is not None and until < now,
        revoked=len(crl),
    )


def _strays(part: str, strays: list[Stray]) -> Iterator[Line]:
    for stray in strays:
        yield Line(part=part, kind="stray", file=str(stray.file), name=stray.file.name, problem=stray.why)
