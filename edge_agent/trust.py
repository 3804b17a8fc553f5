"""Who made a bundle: an Ed25519 signature (RFC 8032) over its manifest, which holds the hash of every part.

Keys are PEM files. What is signed and the signature are plain members of the bundle, so that OpenSSL
checks them too:

    unzip -p X.bundle manifest.json >m; unzip -p X.bundle manifest.json.sig >s
    openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in m -sigfile s
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from edge_agent.bundle import Bundle

LARGEST_KEY = 10_000


class Untrusted(Exception):
    """Nobody whom we trust has signed it, or the trusted keys cannot be read."""


class BadKey(Exception):
    """A private key that cannot be used. The text names its file and says why."""


def signer(bundle: Bundle, folder: Path) -> str:
    """Return the name of the key in `folder` (its ``*.pub`` files) that signed. Raises `Untrusted`."""
    return vouches(bundle.text, bundle.signature, folder)


def vouches(text: bytes, signature: bytes, folder: Path) -> str:
    """Return the name of the key in `folder` that signed `text`. Raises `Untrusted`."""
    keys = {path.stem: _key(path) for path in sorted(folder.glob("*.pub"))}
    if not keys:
        raise Untrusted(f"{folder} holds no *.pub key, so nothing can be trusted")
    if not signature:
        raise Untrusted("not signed; edge-converter sign signs it")
    for name, key in keys.items():
        try:
            key.verify(signature, text)
        except InvalidSignature:
            continue
        return name
    raise Untrusted(f"signed, but by none of the trusted keys {', '.join(keys)}")


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read the key of somebody who signs. Raises `BadKey`, also if others than its owner can read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise BadKey(f"{path}: others can read this private key; chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey(f"{path}: not a private key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path}: not an Ed25519 key; edge-converter keygen makes one")
    return key


def _key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes()[:LARGEST_KEY])
    except OSError as error:
        raise Untrusted(f"{path}: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Untrusted(f"{path}: not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Untrusted(f"{path}: not an Ed25519 key")
    return key
