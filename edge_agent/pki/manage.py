"""What an operator does with certificates: trust, reject, renew."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from edge_agent.pki.certificate import Unreadable, common_name, contents, der, extension, thumbprint
from edge_agent.pki.folder import AUTHORITIES, PkiFolder

SHORTEST = 4
"""Digits of a thumbprint that it takes at least to name a certificate."""


class NotDone(Exception):
    """What could not be done, and what to do about it."""


def trust(folder: PkiFolder, what: str, *, issuer: bool) -> str:
    """Trust a rejected certificate by its thumbprint or the start of it, or what is in a file.

    That are certificates and revocation lists. What issued another certificate of the same file completes its
    chain and is not itself trusted; nor is anything of an `issuer`. Returns what was done.

    Raises:
        NotDone: there is no such certificate, or more than one.
    """
    path = Path(what)
    if path.is_file():
        return "\n".join(_trust_file(folder, path, issuer=issuer))
    part = "issuers" if issuer else "trusted"
    found = _find(folder, ["rejected", f"{part}/certs"], what)
    said = _trust(folder, found[0][1], part)
    for path, _ in found:
        if path.parent.name == "rejected":
            path.unlink()
    return said


def reject(folder: PkiFolder, what: str) -> str:
    """Trust a certificate no longer, named by its thumbprint or the start of it; issuers as well.

    Raises `NotDone`.
    """
    found = _find(folder, [f"{part}/certs" for part in AUTHORITIES], what)
    certificate = found[0][1]
    folder.reject(certificate)
    for path, _ in found:
        path.unlink()
    parts = " and ".join(path.parent.parent.name for path, _ in found)
    return f"rejected: {common_name(certificate.subject)} {thumbprint(certificate)}, was in {parts}"


def renew(folder: PkiFolder, now: datetime) -> str:
    """Make a successor of our own certificate, put aside what is damaged, and say what that means."""
    made = folder.renew(now)
    said = [
        f"put aside: {broken.file}: {broken.why}; kept as {', '.join(map(str, kept))}"
        for broken, kept in folder.mend()
    ]
    own = folder.own(now)
    until = made.certificate.not_valid_after_utc
    said += [f"made {made.file}", f"thumbprint {thumbprint(made.certificate)}, until {until:%Y-%m-%d}"]
    goes_on = "; until one does, the agent goes on with the one before" if len(own) > 1 else ""
    return "\n".join([*said, f"every server has to trust it{goes_on}"])


def _trust_file(folder: PkiFolder, path: Path, *, issuer: bool) -> list[str]:
    try:
        certificates, crls = contents(path)
    except Unreadable as error:
        raise NotDone(str(error)) from None
    said = []
    for one in certificates:
        completes = issuer or any(one.subject == other.issuer for other in certificates if other != one)
        said.append(_trust(folder, one, "issuers" if completes else "trusted"))
    authorities = {one.subject for one in certificates}
    for crl in crls:
        part = "issuers" if issuer or crl.issuer in authorities else "trusted"
        said.append(_add_list(folder, crl, part))
    return said


def _trust(folder: PkiFolder, certificate: x509.Certificate, part: str) -> str:
    if certificate not in (one for _, one in folder.listed(f"{part}/certs")):
        folder.add(f"{part}/certs", der(certificate), f"{thumbprint(certificate)}.der")
    return f"{part}: {common_name(certificate.subject)} {thumbprint(certificate)}"


def _add_list(folder: PkiFolder, crl: x509.CertificateRevocationList, part: str) -> str:
    """Put a list where that of the same issuer and key was."""
    name = f"{_digest(crl)}.crl"
    for known in AUTHORITIES:
        for path, there in folder.lists(f"{known}/crl")[0]:
            if path.name == name and _age(there) > _age(crl):
                text = f"{path} is of {there.last_update_utc:%Y-%m-%d %H:%M}, this one of "
                raise NotDone(f"{text}{crl.last_update_utc:%Y-%m-%d %H:%M}: an older one is not taken")
    folder.add(f"{part}/crl", crl.public_bytes(Encoding.DER), name)
    until = f", next update {crl.next_update_utc:%Y-%m-%d}" if crl.next_update_utc else ""
    return f"{part}: revocation list of {common_name(crl.issuer)}{until}"


def _age(crl: x509.CertificateRevocationList) -> tuple[datetime, int]:
    number = extension(crl, x509.CRLNumber)
    return crl.last_update_utc, number.crl_number if number else 0


def _digest(crl: x509.CertificateRevocationList) -> str:
    """Return a name for all lists of one issuer's one key."""
    key = extension(crl, x509.AuthorityKeyIdentifier)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(crl.issuer.public_bytes() + ((key and key.key_identifier) or b""))
    return digest.finalize().hex()[:40]


def _find(folder: PkiFolder, parts: Sequence[str], what: str) -> list[tuple[Path, x509.Certificate]]:
    """Return the files of one certificate by its thumbprint as tools print it: SHA-1, or all of SHA-256."""
    start = re.sub(r"[:\s-]", "", what.rpartition("=")[2]).lower()
    known = [one for part in parts for one in folder.listed(part)]
    found = [(path, one) for path, one in known if any(p.startswith(start) for p in _prints(one))]
    different = len({thumbprint(one) for _, one in found})
    where = " or ".join(parts)
    if not found or len(start) < SHORTEST:
        there = ", ".join(dict.fromkeys(thumbprint(one)[:8] for _, one in known)) or "none"
        text = f"no file {what}, and no thumbprint in {where} starts with it"
        raise NotDone(f"{text} (of which it takes {SHORTEST} digits); there are: {there}")
    if different > 1:
        raise NotDone(f"{different} thumbprints in {where} start with {what}; write more of it")
    return found


def _prints(certificate: x509.Certificate) -> tuple[str, str]:
    return thumbprint(certificate), certificate.fingerprint(hashes.SHA256()).hex()
