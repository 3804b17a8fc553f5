"""Our own application certificates: made when there is none, followed by a new one in good time."""

import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import Unreadable, der, is_authority, is_self_signed, thumbprint, uris
from edge_agent.pki.reading import Stray, certificates

KEY_SIZE = 2048  # the least that every current policy takes, and what the smallest PLC can do
VALID = timedelta(days=5 * 365)
RENEW_BEFORE = timedelta(days=90)
"""So long before its end a certificate gets a successor, which servers may trust while the old one works."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""A clock that is before this is not set: what would be made now would be over before it is used."""

_OTHERS = 0o077


class ClockNotSet(Exception):
    """This box does not know what day it is, so it cannot make a certificate."""


@dataclass(frozen=True, slots=True)
class Own:
    """A certificate of ours with its private key, and the file it is in."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(compare=False, repr=False)
    file: Path = field(compare=False)

    @property
    def uri(self) -> str:
        """The application URI: what we call ourselves has to be what the certificate says."""
        names = uris(self.certificate)
        return names[0] if names else ""


@dataclass(frozen=True, slots=True)
class Broken(Stray):
    """A certificate of ours that cannot be used, and its key, which no other one has.

    `mendable`: it is damaged, so that it helps nobody where it is.
    """

    key: Path = Path()
    mendable: bool = True


def load(certs: Path, private: Path) -> tuple[list[Own], list[Stray]]:
    """Return what can be used of ``NAME.der`` and ``NAME.pem``, newest first, and what else is there."""
    read, strays = certificates(certs)
    pairs = [_pair(path, certificate, _key_of(path, private)) for path, certificate in read]
    found = [pair for pair in pairs if isinstance(pair, Own)]
    strays += [pair for pair in pairs if isinstance(pair, Stray)]
    used = {one.file.stem for one in found}
    rest = [_unused(stray, _key_of(stray.file, private), used) for stray in strays]
    return sorted(found, key=lambda own: own.certificate.not_valid_before_utc, reverse=True), rest


def _key_of(certificate: Path, private: Path) -> Path:
    return private / f"{certificate.stem}.pem"


def _pair(path: Path, certificate: x509.Certificate, key_file: Path) -> Own | Stray:
    if is_authority(certificate) and not key_file.exists():
        return Stray(path, "an authority's certificate, which belongs into issuers/certs")
    try:
        key = _read_key(key_file)
    except Unreadable as error:
        return Broken(path, f"not used: {error}", key=key_file, mendable=_is_damaged(key_file))
    if certificate.public_key() != key.public_key():
        return Broken(path, f"not used: {key_file} is not its key", key=key_file)
    return Own(certificate, key, path)


def _unused(stray: Stray, key_file: Path, used: set[str]) -> Stray:
    """Return what a file is that cannot be used: only what has a key to itself was to be one of ours."""
    if stray.file.stem in used:
        return Stray(stray.file, stray.why)
    if isinstance(stray, Broken) or not key_file.exists():
        return stray
    return Broken(stray.file, f"not used: {stray.why}", key=key_file)


def put_aside(broken: Broken, folder: Path) -> list[Path]:
    """Move a certificate that is damaged, and its key, into `folder`; return where they are now."""
    folder.mkdir(mode=0o700, exist_ok=True)
    moved = []
    for file in (broken.file, broken.key):
        if file.exists():
            kept = folder / file.name
            while kept.exists():
                kept = kept.with_name(f"{kept.name}.old")
            moved.append(file.rename(kept))
    return moved


def has_begun(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether a certificate is valid by now: one made while the clock was ahead is not."""
    return certificate.not_valid_before_utc <= now


def needs_successor(own: list[x509.Certificate], now: datetime) -> bool:
    """Tell whether one has to be made: none is there, or the newest is our own making and ends soon.

    A certificate that somebody else issued is for them to renew. What is not valid yet counts for nothing,
    unless it is this clock that is behind.
    """
    known = own if now < EARLIEST else [one for one in own if has_begun(one, now)]
    if not known:
        return not own or is_self_signed(own[0])
    newest = max(known, key=lambda one: one.not_valid_before_utc)
    return is_self_signed(newest) and newest.not_valid_after_utc - now < RENEW_BEFORE


def make(certs: Path, private: Path, now: datetime) -> Own:
    """Make a self-signed certificate with a key of its own, the key first and for its owner's eyes only.

    Takes a second or more on a small processor. Raises `ClockNotSet`, OSError.
    """
    if now < EARLIEST:
        raise ClockNotSet(f"the clock of this box says {now:%Y-%m-%d}; set it, then certificates can be made")
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_SIZE)
    certificate = _self_signed(key, socket.gethostname(), now)
    name = thumbprint(certificate)[:16]
    part = private / f"{name}.part"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(private / f"{name}.pem", pem, 0o600, part)
    file = certs / f"{name}.der"
    _write(file, der(certificate), 0o644, part)
    return Own(certificate, key, file)


def _self_signed(key: rsa.RSAPrivateKey, host: str, now: datetime) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"edge-agent@{host}"[:64]),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "edge-agent"),
        ]
    )
    names = [x509.UniformResourceIdentifier(f"urn:{host}:edge-agent"), x509.DNSName(host)]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_cert_sign=True,  # it signs itself
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=public)
        .serial_number(x509.random_serial_number())
        # A server whose clock is behind ours has to take it too.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
            critical=False,
        )
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _is_damaged(key: Path) -> bool:
    try:
        return not key.stat().st_mode & _OTHERS and os.access(key, os.R_OK)
    except FileNotFoundError:
        return True


def _read_key(path: Path) -> rsa.RSAPrivateKey:
    try:
        if path.stat().st_mode & _OTHERS:
            raise Unreadable(f"{path}: others can read this private key; chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unreadable(f"{path}: not a private key in PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Unreadable(f"{path}: not an RSA key")
    return key


def _write(path: Path, data: bytes, mode: int, part: Path) -> None:
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
