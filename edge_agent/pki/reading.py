"""The files of a folder of certificates or revocation lists, and those that do not belong there.

What cannot be read as what the folder is for is told, trusts nobody, and keeps nothing else from being used.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from edge_agent.pki.certificate import Unreadable, read_certificate, read_crl

_log = logging.getLogger(__name__)

T = TypeVar("T")
Certificates = list[tuple[Path, x509.Certificate]]
Lists = list[tuple[Path, x509.CertificateRevocationList]]


@dataclass(frozen=True, slots=True)
class Stray:
    """A file that does not belong where it is, and why. `doubtful`: a list may be in it that revokes."""

    file: Path
    why: str
    doubtful: bool = False


def certificates(folder: Path) -> tuple[Certificates, list[Stray]]:
    """Return the certificates of a folder, one a file, and what else is in it. Raises OSError."""
    found, strays = _all(folder, read_certificate)
    several = [path for path, _ in found if path.read_bytes().count(b"-----BEGIN CERTIFICATE-----") > 1]
    return found, [
        *strays,
        *(Stray(path, f"only its first certificate counts here; {_EACH}") for path in several),
    ]


def lists(folder: Path) -> tuple[Lists, list[Stray]]:
    """Return the revocation lists of a folder, one a file, and what else is in it. Raises OSError."""
    found, strays = _all(folder, read_crl)
    return found, [Stray(stray.file, stray.why, _may_be_a_list(stray.file)) for stray in strays]


@cache
def tell(stray: Stray) -> None:
    """Warn of a file, once in the life of this process."""
    _log.warning("%s: %s", stray.file, stray.why)


_OF_LISTS = (".crl", ".der", ".pem")
_EACH = "edge-agent pki trust CONFIG FILE puts each where it belongs"


def _all(folder: Path, reader: Callable[[Path], T]) -> tuple[list[tuple[Path, T]], list[Stray]]:
    """Read what is in a folder; what is hidden is half written, or nobody's."""
    found, strays = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            found.append((path, reader(path)))
        except Unreadable as error:
            strays.append(Stray(path, str(error).removeprefix(f"{path}: ")))
    return found, strays


def _may_be_a_list(path: Path) -> bool:
    """A list that was cut short by a full disk may be empty; what Windows leaves behind is none."""
    if path.is_dir():
        return False
    try:
        read_certificate(path)
    except Unreadable:
        pass
    else:
        return False
    try:
        with path.open("rb") as file:
            start = file.read(1)
    except OSError:
        return True
    return start in (b"", b"\x30", b"-") or path.suffix.lower() in _OF_LISTS
