"""What asyncua raises about a link or a reply, turned into `LinkDown`."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asyncua import ua

from edge_agent.core.tags import Reason
from edge_agent.drivers import LinkDown

UNREADABLE = (ua.UaError, struct.error, ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What asyncua's decoder was seen to raise on damaged data."""

PATIENCE = 60.0
"""Seconds before a refused certificate or login is tried again: until then nobody will have changed it, and
a server may lock an account, or fill its own folder of rejected certificates."""

BUSY = 10.0
"""Seconds before a server without a free session is asked again: as many as it has are soon given back."""
_FULL = {
    "BadTooManySessions": "has no session free",
    "BadMaxConnectionsReached": "takes no more connections",
    "BadTcpServerTooBusy": "is too busy to open a channel",
    "BadTcpNotEnoughResources": "has not the resources for another channel",
}

_SECURITY = (
    *("BadCertificate", "BadSecurity", "BadIdentity", "BadUser", "BadApplicationSignature", "BadNonce"),
    "BadNoValidCertificates",
)


class Insecure(LinkDown):
    """One side refuses the other's certificate, policy or login. Trying again at once does not help.

    `status` is the server's, or that of our own objection; `ours` says that the server refused us.
    """

    def __init__(self, message: str, status: str, *, ours: bool) -> None:
        super().__init__(message, Reason.NO_LINK, patience=PATIENCE)
        self.status, self.ours = status, ours


@contextmanager
def breaking(url: str) -> Iterator[None]:
    """Turn what asyncua raises inside into `LinkDown`, or `Insecure` for a status of security."""
    try:
        yield
    except asyncio.CancelledError as error:
        if type(error) is asyncio.CancelledError:
            raise
        # On Python 3.11 asyncua can raise a subclass, which `asyncio.timeout` does not take for its own.
        raise asyncio.CancelledError from error
    except TimeoutError:
        raise LinkDown(f"{url}: no answer in time", Reason.TIMEOUT) from None
    except OSError as error:
        number = error.errno or 0  # negative from getaddrinfo, which names the error itself
        text = os.strerror(number) if number > 0 else error.strerror or error
        raise LinkDown(f"{url}: {text}") from error
    except ua.UaStatusCodeError as error:
        name = ua.StatusCode(error.code).name
        if name.startswith(_SECURITY):
            raise Insecure(f"{url}: {name}", name, ours=True) from error
        if name in _FULL:
            what = f"{_FULL[name]} ({name}); end another of its clients, or wait until it forgets a lost one"
            raise LinkDown(f"{url} {what}", Reason.NO_LINK, patience=BUSY) from error
        raise LinkDown(f"{url}: {name}") from error
    except UNREADABLE as error:
        text = f"{url}: a reply that cannot be read: {error!r}"
        raise LinkDown(text, Reason.BAD_REPLY) from error


def tell_refusals(protocol: Any) -> None:
    """Make an asyncua protocol tell why a server refuses a secure channel.

    The refusal is a ServiceFault, which asyncua 2.1 takes for a damaged OpenSecureChannelResponse.
    """
    deliver = protocol._call_callback  # noqa: SLF001

    def check_and_deliver(request_id: int, body: Any) -> None:
        if isinstance(protocol._open_secure_channel_exchange, ua.OpenSecureChannelParameters):  # noqa: SLF001
            protocol.check_answer(body, "")
        deliver(request_id, body)

    protocol._call_callback = check_and_deliver  # noqa: SLF001


@asynccontextmanager
async def deadline(url: str, seconds: float) -> AsyncIterator[None]:
    """Raise `LinkDown` if what is inside takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LinkDown(f"{url}: no session within {seconds:g} s", Reason.TIMEOUT) from None
