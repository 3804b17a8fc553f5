"""Whether an issuer took a certificate back, as its revocation lists say (RFC 5280, 6.3)."""

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from edge_agent.pki.certificate import common_name
from edge_agent.pki.folder import Trust
from edge_agent.pki.objection import Held, Objection

_UNKNOWN = "BadCertificateRevocationUnknown"
_FETCH = "fetch it from the authority, then edge-agent pki trust CONFIG FILE --issuer"


def revocation(held: Held, issuer: Held, trust: Trust, now: datetime, *, pinned: bool) -> Iterator[Objection]:
    """Judge a certificate by the lists of its issuer. Where it is `pinned` a list that is missing is told."""
    by = common_name(issuer.certificate.subject)
    for file in trust.unread:
        problem = f"{file} cannot be read and may be a list of {by} that revokes it"
        todo = "fetch that list anew, or remove the file if it is none"
        yield Objection(_UNKNOWN, held.name, "issuer", problem, file=str(file), todo=todo)
    named = [crl for crl in trust.crls if crl.issuer == issuer.certificate.subject]
    lists = [crl for crl in named if _is_by(crl, issuer.certificate)]
    if not lists:
        problem, where = f"there is no revocation list of {by}; put it into issuers/crl", held.file
        if named:
            problem = f"the revocation list of {by} that is here is not signed by its key"
            where = trust.where(named[0])
        yield Objection(_UNKNOWN, held.name, "issuer", problem, not pinned, where, _FETCH)
        return
    for crl in lists:
        entry = crl.get_revoked_certificate_by_serial_number(held.certificate.serial_number)
        if entry is not None:
            problem = f"was revoked by {by} on {entry.revocation_date_utc:%Y-%m-%d}"
            todo = f"it needs a new certificate of {by}, as {trust.where(crl)} says"
            yield held.objection("BadCertificateRevoked", "serialNumber", problem, todo)
    # An old list still says who was revoked. Refusing on its age would stop a plant that has no network.
    if all(crl.next_update_utc is not None and crl.next_update_utc < now for crl in lists):
        problem = f"the revocation list of {by} is out of date; fetch a newer one"
        where = trust.where(lists[0])
        yield Objection(_UNKNOWN, held.name, "issuer", problem, refuses=False, file=where, todo=_FETCH)


def _is_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type] # TypeError says it cannot sign
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
