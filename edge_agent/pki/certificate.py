"""One X.509 certificate as OPC UA uses it (OPC 10000-6, 6.2.2): reading a file, a chain, its names."""

import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

LARGEST_FILE = 100_000

# What cryptography was seen to raise on damaged certificates.
_MALFORMED = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType),
)


class Unreadable(Exception):
    """A file or a blob that is no certificate or revocation list. The text names it."""


def read_certificate(path: Path) -> x509.Certificate:
    """Read a certificate in DER or PEM. Raises `Unreadable`."""
    data = _bytes(path)
    try:
        return _parsed(
            x509.load_pem_x509_certificate(data) if _is_pem(data) else x509.load_der_x509_certificate(data)
        )
    except _MALFORMED as error:
        raise Unreadable(f"{path}: not a certificate in DER or PEM: {error}") from None


def read_crl(path: Path) -> x509.CertificateRevocationList:
    """Read a certificate revocation list in DER or PEM. Raises `Unreadable`."""
    data = _bytes(path)
    try:
        return x509.load_pem_x509_crl(data) if _is_pem(data) else x509.load_der_x509_crl(data)
    except ValueError as error:
        raise Unreadable(f"{path}: not a revocation list in DER or PEM: {error}") from None


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
    names = _alternative_names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def hosts(certificate: x509.Certificate) -> list[str]:
    """Return the host names and addresses of subjectAltName."""
    names = _alternative_names(certificate)
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


def _parsed(certificate: x509.Certificate) -> x509.Certificate:
    """Look at every field that will be used, here, where what is wrong can still be told."""
    _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    return certificate


def _same_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None


def _is_pem(data: bytes) -> bool:
    return data.lstrip().startswith(b"-----BEGIN")
