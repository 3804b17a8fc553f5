"""One X.509 certificate as OPC UA uses it (OPC 10000-6, 6.2.2): reading a file, a chain, its names."""

import ipaddress
import re
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

LARGEST_FILE, LARGEST_LIST = 100_000, 20_000_000
"""Bytes that are read of a certificate's file, and of a revocation list's: a company revokes many."""

# What cryptography was seen to raise on damaged certificates.
_MALFORMED = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)
_BLOCK = re.compile(rb"-----BEGIN (X509 CRL|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)


E = TypeVar("E", bound=x509.ExtensionType)


class Unreadable(Exception):
    """A file or a blob that is no certificate or revocation list. The text names it."""


def read_certificate(path: Path) -> x509.Certificate:
    """Read a certificate in DER, or the first one in PEM. Raises `Unreadable`."""
    data = _bytes(path, LARGEST_FILE)
    try:
        return _parsed(
            x509.load_pem_x509_certificate(data) if _is_pem(data) else x509.load_der_x509_certificate(data)
        )
    except _MALFORMED:
        raise Unreadable(f"{path}: not a certificate in DER or PEM") from None


def read_crl(path: Path) -> x509.CertificateRevocationList:
    """Read a certificate revocation list in DER or PEM. Raises `Unreadable`."""
    data = _bytes(path, LARGEST_LIST)
    try:
        return _parsed_list(x509.load_pem_x509_crl(data) if _is_pem(data) else x509.load_der_x509_crl(data))
    except _MALFORMED:
        raise Unreadable(f"{path}: not a revocation list in DER or PEM") from None


def contents(path: Path) -> tuple[list[x509.Certificate], list[x509.CertificateRevocationList]]:
    """Read all certificates and revocation lists of a file, in PEM any number. Raises `Unreadable`."""
    data = _bytes(path, LARGEST_LIST)
    blocks = list(_BLOCK.finditer(data))
    try:
        if blocks:
            certificates = [x509.load_pem_x509_certificate(b[0]) for b in blocks if b[1] == b"CERTIFICATE"]
            crls = [x509.load_pem_x509_crl(b[0]) for b in blocks if b[1] != b"CERTIFICATE"]
            return list(map(_parsed, certificates)), list(map(_parsed_list, crls))
    except _MALFORMED:
        raise Unreadable(f"{path}: neither a certificate nor a revocation list") from None
    try:
        return [read_certificate(path)], []
    except Unreadable:
        pass
    try:
        return [], [read_crl(path)]
    except Unreadable:
        raise Unreadable(f"{path}: neither a certificate nor a revocation list") from None


def chain_of(blob: bytes) -> list[x509.Certificate]:
    """Split what a server sends: certificates in DER one behind the other, its own first.

    Raises:
        Unreadable: it is none, or one of its fields that will be looked at cannot be read.
    """
    chain = []
    while blob:
        # SEQUENCE with a length of two bytes: 256 to 65535 bytes, as every RSA certificate has.
        size = 4 + int.from_bytes(blob[2:4], "big")
        if blob[:2] != b"\x30\x82" or size > len(blob):
            raise Unreadable("what the server sent is not a certificate in DER")
        try:
            chain.append(_parsed(x509.load_der_x509_certificate(blob[:size])))
        except _MALFORMED as error:
            raise Unreadable(f"what the server sent is not a certificate: {error}") from None
        blob = blob[size:]
    return chain


def der(certificate: x509.Certificate) -> bytes:
    """Return the certificate in DER."""
    return certificate.public_bytes(Encoding.DER)


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 of the DER form in hex: the name that OPC UA tools show. No security rests on it."""
    return certificate.fingerprint(hashes.SHA1()).hex()  # noqa: S303 - OPC 10000-6, 6.7.2.3 names it so


def common_name(name: x509.Name) -> str:
    """Return the common name, or all of a name that has none."""
    names = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else name.rfc4514_string()


def uris(certificate: x509.Certificate) -> list[str]:
    """Return the URIs of subjectAltName; the first is the application URI."""
    names = extension(certificate, x509.SubjectAlternativeName)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def hosts(certificate: x509.Certificate) -> list[str]:
    """Return the host names and addresses of subjectAltName."""
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def is_for_host(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether `host`, a name or an address, is one of those that the certificate was made for."""
    return _same_host(host) in {_same_host(name) for name in hosts(certificate)}


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate is its own issuer."""
    return certificate.subject == certificate.issuer


def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate says that it may issue others."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extension(of: x509.Certificate | x509.CertificateRevocationList, kind: type[E]) -> E | None:
    """Return an extension, None if it is not there."""
    try:
        return of.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _parsed(certificate: x509.Certificate) -> x509.Certificate:
    """Look at every field that will be used, here, where what is wrong can still be told."""
    _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    return certificate


def _parsed_list(crl: x509.CertificateRevocationList) -> x509.CertificateRevocationList:
    _ = crl.issuer, crl.extensions, crl.last_update_utc, crl.next_update_utc, len(crl)
    return crl


def _same_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if len(data) > most:
        raise Unreadable(f"{path}: longer than {most} bytes")
    return data


def _is_pem(data: bytes) -> bool:
    return data.lstrip().startswith(b"-----BEGIN")
