"""What an operator does with certificates: look, trust, reject, renew."""

from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509

from edge_agent.pki.certificate import (
    Unreadable,
    common_name,
    der,
    hosts,
    read_certificate,
    read_crl,
    thumbprint,
    uris,
)
from edge_agent.pki.folder import PkiFolder

PARTS = ("own/certs", "trusted/certs", "issuers/certs", "rejected")


class NotDone(Exception):
    """What could not be done, and what to do about it."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate of the folder."""

    part: str
    thumbprint: str
    name: str
    issuer: str
    until: str
    expired: bool
    uri: str
    hosts: list[str]
    file: str

    def text(self) -> str:
        """One line for a person."""
        until = f"{'EXPIRED' if self.expired else 'until'} {self.until[:10]}"
        by = "" if self.issuer == self.name else f"  by {self.issuer}"
        return f"{self.part:<14} {self.thumbprint}  {until:<18} {self.name}{by}  {self.uri}".rstrip()


def listed(folder: PkiFolder, now: datetime) -> list[Line]:
    """Return every certificate of the folder. Raises OSError, `Unreadable`."""
    return [
        _line(part, path, certificate, now) for part in PARTS for path, certificate in folder.listed(part)
    ]


def trust(folder: PkiFolder, what: str, *, issuer: bool) -> str:
    """Trust a rejected certificate by the start of its thumbprint, or what is in a file.

    That is a certificate or a revocation list. An `issuer` completes chains and is not itself trusted.
    Returns what was done.

    Raises:
        NotDone: there is no such certificate, or more than one.
    """
    part = "issuers" if issuer else "trusted"
    path = Path(what)
    if not path.is_file():
        rejected, certificate = _find(folder, "rejected", what)
        folder.add(f"{part}/certs", der(certificate), f"{thumbprint(certificate)}.der")
        rejected.unlink()
        return f"{part}: {common_name(certificate.subject)} {thumbprint(certificate)}"
    try:
        certificate = read_certificate(path)
    except Unreadable as no_certificate:
        try:
            crl = read_crl(path)
        except Unreadable:
            raise NotDone(f"{path}: neither a certificate nor a revocation list") from no_certificate
        folder.add(f"{part}/crl", path.read_bytes(), path.name)
        return f"{part}: revocation list of {common_name(crl.issuer)}"
    folder.add(f"{part}/certs", der(certificate), f"{thumbprint(certificate)}.der")
    return f"{part}: {common_name(certificate.subject)} {thumbprint(certificate)}"


def reject(folder: PkiFolder, what: str) -> str:
    """Trust a certificate no longer, named by the start of its thumbprint. Raises `NotDone`."""
    path, certificate = _find(folder, "trusted/certs", what)
    folder.reject(certificate)
    path.unlink()
    return f"rejected: {common_name(certificate.subject)} {thumbprint(certificate)}"


def renew(folder: PkiFolder, now: datetime) -> str:
    """Make a successor of our own certificate and say what that means."""
    made = folder.renew(now)
    print_ = thumbprint(made.certificate)
    return (
        f"made {made.file}\nthumbprint {print_}, until {made.certificate.not_valid_after_utc:%Y-%m-%d}\n"
        "every server has to trust it; until one does, the agent goes on with the one before"
    )


def _find(folder: PkiFolder, part: str, start: str) -> tuple[Path, x509.Certificate]:
    found = [
        (path, certificate)
        for path, certificate in folder.listed(part)
        if len(start) >= 4 and thumbprint(certificate).startswith(start.lower())
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotDone(f"{len(found)} thumbprints in {part} start with {start}; write more of it")
    known = ", ".join(thumbprint(certificate)[:8] for _, certificate in folder.listed(part)) or "none"
    raise NotDone(f"no file {start}, and no thumbprint in {part} starts with it; there are: {known}")


def _line(part: str, path: Path, certificate: x509.Certificate, now: datetime) -> Line:
    return Line(
        part=part,
        thumbprint=thumbprint(certificate),
        name=common_name(certificate.subject),
        issuer=common_name(certificate.issuer),
        until=certificate.not_valid_after_utc.isoformat(),
        expired=certificate.not_valid_after_utc < now,
        uri=", ".join(uris(certificate)),
        hosts=hosts(certificate),
        file=str(path),
    )
