"""Whether a server's certificate is to be trusted, and if not, which field of which certificate says so.

The steps are those of OPC 10000-4, 6.1.3, and each objection carries the StatusCode that the standard
gives to its step. All steps are taken, so that one look tells everything that is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import common_name, hosts, is_for_host, is_self_signed, thumbprint, uris
from edge_agent.pki.folder import Trust

SMALLEST_KEY, LARGEST_KEY = 2048, 4096
"""Bits of an RSA key that all three current policies take (OPC 10000-7, security policies)."""
LONGEST_CHAIN = 8

Path = list[x509.Certificate]
E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that is wrong: the status of its step, the certificate, the field, and what to do."""

    status: str
    certificate: str
    field: str
    problem: str
    refuses: bool = True

    def __str__(self) -> str:
        return f"{self.certificate}: {self.field}: {self.problem} ({self.status})"


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we meant: the host that we dialled (None: any will do), the URI that the other side gives itself.

    `role` is what its certificate has to be for: a server's, or a client's.
    """

    host: str | None
    uri: str
    role: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH


def objections(sent: list[x509.Certificate], trust: Trust, peer: Peer, now: datetime) -> list[Objection]:
    """Return all that is wrong with a server's certificate, the first of `sent`.

    It is trusted if none of them `refuses`. A certificate that is itself in trusted/certs needs no chain.
    """
    leaf = sent[0]
    path, broken = _path(leaf, [*sent[1:], *trust.trusted, *trust.issuers])
    pinned = leaf in trust.trusted
    found = list(_policy(leaf))
    if broken and not pinned:
        found.append(broken)
    if not pinned and not any(certificate in trust.trusted for certificate in path):
        found.append(_object(leaf, "BadCertificateUntrusted", "thumbprint", _untrusted(leaf, path)))
    for certificate in path:
        found += _validity(certificate, now)
    found += _host(leaf, peer.host)
    found += _uri(leaf, peer.uri)
    found += _usage(leaf, peer.role)
    for depth, issuer in enumerate(path[1:]):
        found += _authority(issuer, depth)
    for certificate, issuer in pairwise(path):
        found += _revocation(certificate, issuer, trust.crls, now, pinned=pinned)
    return found


def _object(certificate: x509.Certificate, status: str, field: str, problem: str) -> Objection:
    return Objection(status, common_name(certificate.subject), field, problem)


def _path(leaf: x509.Certificate, known: list[x509.Certificate]) -> tuple[Path, Objection | None]:
    """Build the chain from the leaf to a self-signed root, every signature checked."""
    path = [leaf]
    while len(path) <= LONGEST_CHAIN:
        last = path[-1]
        if is_self_signed(last):
            if _signed(last, last):
                return path, None
            return path, _object(last, "BadSecurityChecksFailed", "signature", "is not by its own key")
        named = [other for other in known if other.subject == last.issuer]
        issuer = next((other for other in named if _signed(last, other)), None)
        if issuer is None:
            name = common_name(last.issuer)
            problem = (
                f"is not by the key of {name}"
                if named
                else f"issuer {name} was not sent and is not here; put its certificate into issuers/certs"
            )
            status = "BadSecurityChecksFailed" if named else "BadCertificateChainIncomplete"
            return path, _object(last, status, "signature" if named else "issuer", problem)
        path.append(issuer)
    problem = f"the chain is longer than {LONGEST_CHAIN}"
    return path, _object(leaf, "BadCertificateChainIncomplete", "issuer", problem)


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _untrusted(leaf: x509.Certificate, path: Path) -> str:
    if len(path) > 1:
        return f"neither {thumbprint(leaf)} nor any of its issuers is in trusted/certs"
    return f"{thumbprint(leaf)} is not in trusted/certs"


def _policy(leaf: x509.Certificate) -> Iterator[Objection]:
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        yield _object(leaf, "BadCertificatePolicyCheckFailed", "publicKey", "is not an RSA key")
    elif not SMALLEST_KEY <= key.key_size <= LARGEST_KEY:
        problem = f"has {key.key_size} bits, not {SMALLEST_KEY} to {LARGEST_KEY}"
        yield _object(leaf, "BadCertificatePolicyCheckFailed", "publicKey", problem)
    try:
        hash_ = leaf.signature_hash_algorithm
    except UnsupportedAlgorithm:
        hash_ = None
    if not isinstance(hash_, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        problem = f"uses {hash_.name if hash_ else 'an unknown hash'}, which is broken or unknown"
        yield _object(leaf, "BadCertificatePolicyCheckFailed", "signatureAlgorithm", problem)


def _validity(certificate: x509.Certificate, now: datetime) -> Iterator[Objection]:
    clock = f"the clock here says {now:%Y-%m-%d %H:%M} UTC"
    if now < certificate.not_valid_before_utc:
        problem = f"is {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, {clock}; is it right?"
        yield _object(certificate, "BadCertificateTimeInvalid", "notBefore", problem)
    if now > certificate.not_valid_after_utc:
        problem = f"was {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, {clock}; it has to be renewed"
        yield _object(certificate, "BadCertificateTimeInvalid", "notAfter", problem)


def _host(leaf: x509.Certificate, host: str | None) -> Iterator[Objection]:
    if host is not None and not is_for_host(leaf, host):
        has = ", ".join(hosts(leaf)) or "no host at all"
        problem = f"is for {has}, not for {host}, which the url names; see verify_host"
        yield _object(leaf, "BadCertificateHostNameInvalid", "subjectAltName", problem)


def _uri(leaf: x509.Certificate, uri: str) -> Iterator[Objection]:
    if uri not in uris(leaf):
        has = ", ".join(uris(leaf)) or "no URI at all"
        problem = f"has {has}, but the server calls itself {uri}"
        yield _object(leaf, "BadCertificateUriInvalid", "subjectAltName", problem)


def _usage(leaf: x509.Certificate, role: x509.ObjectIdentifier) -> Iterator[Objection]:
    status = "BadCertificateUseNotAllowed"
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None:
        yield _object(leaf, status, "keyUsage", "is missing")
    else:
        for field in ("digital_signature", "key_encipherment", "data_encipherment"):
            if not getattr(usage, field):
                yield _object(leaf, status, "keyUsage", f"lacks {field.replace('_', ' ')}")
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    allowed = {role, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if extended is not None and allowed.isdisjoint(extended):
        side = "server" if role == ExtendedKeyUsageOID.SERVER_AUTH else "client"
        yield _object(leaf, status, "extendedKeyUsage", f"lacks {side} authentication")


def _authority(issuer: x509.Certificate, below: int) -> Iterator[Objection]:
    status = "BadCertificateIssuerUseNotAllowed"
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield _object(issuer, status, "basicConstraints", "is not a certificate authority's")
    elif constraints.path_length is not None and below > constraints.path_length:
        problem = f"allows {constraints.path_length} authorities below it, there are {below}"
        yield _object(issuer, status, "basicConstraints", problem)
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield _object(issuer, status, "keyUsage", "lacks key cert sign")


def _revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    crls: list[x509.CertificateRevocationList],
    now: datetime,
    *,
    pinned: bool,
) -> Iterator[Objection]:
    name = common_name(certificate.subject)
    status = "BadCertificateRevocationUnknown"
    of_issuer = [crl for crl in crls if crl.issuer == issuer.subject and _signed_list(crl, issuer)]
    if not of_issuer:
        problem = f"there is no revocation list of {common_name(issuer.subject)}; put it into issuers/crl"
        yield Objection(status, name, "issuer", problem, refuses=not pinned)
        return
    for crl in of_issuer:
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            problem = f"was revoked by {common_name(issuer.subject)} on {entry.revocation_date_utc:%Y-%m-%d}"
            yield _object(certificate, "BadCertificateRevoked", "serialNumber", problem)
    # An old list still says who was revoked. Refusing on its age would stop a plant that has no network.
    if all(crl.next_update_utc is not None and crl.next_update_utc < now for crl in of_issuer):
        problem = f"the revocation list of {common_name(issuer.subject)} is out of date; fetch a newer one"
        yield Objection(status, name, "issuer", problem, refuses=False)


def _signed_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    return isinstance(key, rsa.RSAPublicKey) and crl.is_signature_valid(key)


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
