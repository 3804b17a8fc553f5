"""What the operating system knows of a descriptor, and what its failures and those of TLS mean in words."""

import array
import fcntl
import ssl
import termios
from datetime import UTC, datetime

_OUR_FAULT = ("certificate", "unknown ca", "access denied")
"""Words of the alerts by which a device refuses a certificate (RFC 8446, 6.2)."""
_OF_ANOTHER_TIME = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED (X509_verify_cert_error_string(3))."""


def waiting(fd: int) -> bool:
    """Whether a socket or a terminal has something that was not read: bytes, or that it is gone."""
    return _counts(fd, termios.FIONREAD)


def unsent(fd: int) -> bool:
    """Whether a TCP socket has something that the other side has not acknowledged (tcp(7), SIOCOUTQ)."""
    return _counts(fd, termios.TIOCOUTQ)


def _counts(fd: int, which: int) -> bool:
    count = array.array("i", [0])
    try:
        fcntl.ioctl(fd, which, count)
    except OSError:
        return True
    return count[0] > 0


def reason(error: OSError) -> str:
    """Say in words what an error of the operating system or of TLS means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        clock = f"; the clock here says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        of_time = error.verify_code in _OF_ANOTHER_TIME
        return f"the device's certificate is not trusted: {error.verify_message}{clock if of_time else ''}"
    if isinstance(error, ssl.SSLError):
        said = (error.reason or "the device broke it off").lower().replace("_", " ")
        ours = "alert" in said and any(word in said for word in _OUR_FAULT)
        return f"the device does not accept our certificate: {said}" if ours else f"TLS: {said}"
    return error.strerror or str(error)
