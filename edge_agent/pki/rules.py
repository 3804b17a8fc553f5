"""What one certificate of a chain has to be, whoever issued it (OPC 10000-4, 6.1.3; OPC 10000-6, 6.2.2)."""

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import common_name, extension, hosts, is_for_host, is_self_signed, uris
from edge_agent.pki.objection import Held, Objection

SMALLEST_KEY, LARGEST_KEY = 2048, 4096
"""Bits of an RSA key that all three current policies take (OPC 10000-7, security policies)."""
SMALLEST_CURVE = 256
"""Bits of an authority's elliptic curve that are as good as those of an RSA key."""


def strength(leaf: Held) -> Iterator[Objection]:
    """Judge the key and the signature of a server's or a client's own certificate."""
    key = leaf.certificate.public_key()
    todo = f"have a certificate made for it with an RSA key of {SMALLEST_KEY} to {LARGEST_KEY} bits"
    if not isinstance(key, rsa.RSAPublicKey):
        yield leaf.objection("BadCertificatePolicyCheckFailed", "publicKey", "is not an RSA key", todo)
    elif not SMALLEST_KEY <= key.key_size <= LARGEST_KEY:
        problem = f"has {key.key_size} bits, not {SMALLEST_KEY} to {LARGEST_KEY}"
        yield leaf.objection("BadCertificatePolicyCheckFailed", "publicKey", problem, todo)
    yield from _signature_hash(leaf, refuses=True)


def strength_of_authority(issuer: Held, *, refuses: bool) -> Iterator[Objection]:
    """Judge the key of an authority, and its signature unless it is a root's, on which nothing rests."""
    key = issuer.certificate.public_key()
    small = isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_KEY
    small = small or (isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < SMALLEST_CURVE)
    if small and isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        problem = f"has {key.key_size} bits: anybody may find the key and issue in its name"
        todo = f"{issuer.name} has to issue with a longer key"
        yield issuer.objection("BadCertificatePolicyCheckFailed", "publicKey", problem, todo, refuses=refuses)
    if not is_self_signed(issuer.certificate):
        yield from _signature_hash(issuer, refuses=refuses)


def _signature_hash(held: Held, *, refuses: bool) -> Iterator[Objection]:
    try:
        hash_ = held.certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        hash_ = None
    if not isinstance(hash_, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        problem = f"uses {hash_.name if hash_ else 'an unknown hash'}, which is broken or unknown"
        by = common_name(held.certificate.issuer)
        todo = f"have it made anew with SHA-256 by {by}"
        status = "BadCertificatePolicyCheckFailed"
        yield held.objection(status, "signatureAlgorithm", problem, todo, refuses=refuses)


def validity(held: Held, now: datetime) -> Iterator[Objection]:
    """Judge whether a certificate is valid by our clock."""
    clock = f"the clock here says {now:%Y-%m-%d %H:%M} UTC"
    first, last = held.certificate.not_valid_before_utc, held.certificate.not_valid_after_utc
    status = "BadCertificateTimeInvalid"
    if now < first:
        problem = f"is {first:%Y-%m-%d %H:%M} UTC, {clock}; is it right?"
        todo = "set this clock if it is wrong; else that of whoever made the certificate, and make it anew"
        yield held.objection(status, "notBefore", problem, todo)
    if now > last:
        problem = f"was {last:%Y-%m-%d %H:%M} UTC, {clock}; it has to be renewed"
        todo = "set this clock if it is wrong; else renew the certificate, and trust the new one"
        yield held.objection(status, "notAfter", problem, todo)


def host(leaf: Held, dialled: str | None) -> Iterator[Objection]:
    """Judge whether it was made for the host that was dialled; None will do for any."""
    if dialled is not None and not is_for_host(leaf.certificate, dialled):
        has = ", ".join(hosts(leaf.certificate)) or "no host at all"
        problem = f"is for {has}, not for {dialled}, which the url names; see verify_host"
        todo = (
            f"make it anew with {dialled}, or write a host that it has into the url, or verify_host = false"
        )
        yield leaf.objection("BadCertificateHostNameInvalid", "subjectAltName", problem, todo)


def uri(leaf: Held, called: str) -> Iterator[Objection]:
    """Judge whether it has the application URI that the other side calls itself."""
    if called not in uris(leaf.certificate):
        has = ", ".join(uris(leaf.certificate)) or "no URI at all"
        problem = f"has {has}, but the server calls itself {called}"
        todo = "make it anew on the server, which mostly was renamed after its certificate was made"
        yield leaf.objection("BadCertificateUriInvalid", "subjectAltName", problem, todo)


def usage(leaf: Held, role: x509.ObjectIdentifier) -> Iterator[Objection]:
    """Judge whether it may be used as a server's, or a client's."""
    status = "BadCertificateUseNotAllowed"
    todo = "make it anew with the uses of an OPC UA application"
    key_usage = extension(leaf.certificate, x509.KeyUsage)
    if key_usage is None:
        yield leaf.objection(status, "keyUsage", "is missing", todo)
    else:
        for field in ("digital_signature", "key_encipherment", "data_encipherment"):
            if not getattr(key_usage, field):
                yield leaf.objection(status, "keyUsage", f"lacks {field.replace('_', ' ')}", todo)
    extended = extension(leaf.certificate, x509.ExtendedKeyUsage)
    allowed = {role, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if extended is not None and allowed.isdisjoint(extended):
        side = "server" if role == ExtendedKeyUsageOID.SERVER_AUTH else "client"
        yield leaf.objection(status, "extendedKeyUsage", f"lacks {side} authentication", todo)


def authority(issuer: Held, below: int) -> Iterator[Objection]:
    """Judge whether a certificate may issue others, with so many authorities below it."""
    status = "BadCertificateIssuerUseNotAllowed"
    todo = f"take the certificate from another authority, or have {issuer.name} made anew as one"
    constraints = extension(issuer.certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield issuer.objection(status, "basicConstraints", "is not a certificate authority's", todo)
    elif constraints.path_length is not None and below > constraints.path_length:
        problem = f"allows {constraints.path_length} authorities below it, there are {below}"
        yield issuer.objection(status, "basicConstraints", problem, todo)
    key_usage = extension(issuer.certificate, x509.KeyUsage)
    if key_usage is not None and not key_usage.key_cert_sign:
        yield issuer.objection(status, "keyUsage", "lacks key cert sign", todo)
