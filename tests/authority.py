"""Certificates for tests: an authority, a server's certificate with any one thing wrong, revocation lists."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

NOW = datetime.now(UTC).replace(microsecond=0)
URI = "urn:test:server"
USAGE = dict.fromkeys(
    ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"),
    True,
) | dict.fromkeys(("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False)


@cache
def key(name: str, size: int = 2048) -> rsa.RSAPrivateKey:
    """The key of that name, the same in one run: making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """Certificate and key, one after the other."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self.certificate.public_bytes(Encoding.PEM) + key

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``NAME.der`` and ``NAME.pem``."""
        certificate, private = folder / f"{name}.der", folder / f"{name}.pem"
        certificate.write_bytes(self.der)
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        private.touch(0o600)
        private.write_bytes(pem)
        return certificate, private


def identity(
    name: str = "plc",
    *,
    issuer: Identity | None = None,
    uri: str = URI,
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=30),
    size: int = 2048,
    hash_: Any = None,
    usage: dict[str, bool] | None = USAGE,
    extended: Any = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    ca: bool = False,
    path_length: int | None = None,
) -> Identity:
    """A certificate with the key of its name, self-signed without an issuer."""
    private = key(name, size)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder(
            subject_name=subject,
            issuer_name=issuer.certificate.subject if issuer else subject,
            public_key=private.public_key(),
        )
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)] if uri else []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.KeyUsage(**usage | {"crl_sign": ca}), critical=True)
    if extended is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    signer = issuer.key if issuer else private
    return Identity(builder.sign(signer, hash_ or hashes.SHA256()), private)


def crl(
    issuer: Identity, *revoked: Identity, fresh: timedelta = timedelta(days=7)
) -> x509.CertificateRevocationList:
    """The issuer's list of what it revoked, to be updated after `fresh`."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject, last_update=NOW - timedelta(days=20), next_update=NOW + fresh
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(
            one.certificate.serial_number, NOW - timedelta(days=10)
        ).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256())
