"""Who may do what. Who has a trusted certificate, as our own PKI folder says (OPC 10000-4, 6.1.3), reads.

Of those, who logs in as one of the operators also acknowledges (the role Operator of OPC 10000-18, 4.2).
"""

import hmac
import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent import credentials
from edge_agent.credentials import NoCredential, UserName
from edge_agent.pki.certificate import Unreadable, chain_of, thumbprint, uris
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.verify import Peer, objections

log = logging.getLogger(__name__)


MOST_WRONG, FORGET = 10, 60.0
"""Wrong logins within so many seconds, after which none is looked at until the first of them is forgotten."""


class Operator(User):  # type: ignore[misc] # asyncua is not typed for us
    """A user who may acknowledge."""


class Trusted(UserManager):  # type: ignore[misc] # asyncua is not typed for us
    """Asked at every ActivateSession.

    The certificate is the secure channel's, whose key the client has proven to hold. What CreateSession
    carries proves nothing, and a client may leave it out.
    """

    def __init__(self, pki: Path, operators: Sequence[str]) -> None:
        self._folder, self._operators = PkiFolder(pki), operators
        self._wrong: deque[float] = deque(maxlen=MOST_WRONG)
        self._told = ""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: bytes | None = None
    ) -> User | None:
        """Return a reader or an operator, or None for whom we do not know."""
        del iserver
        problem = self._problem(certificate)
        if not problem and username is not None:
            problem = self._login(username, password)
        if problem:
            if problem != self._told:
                self._told = problem
                log.warning("opcua-server: a client is refused: %s", problem)
            return None
        if username is not None:
            return Operator(role=UserRole.User, name=username)
        return User(role=UserRole.User, name="reader")

    def _login(self, name: str, password: str | None) -> str:
        now = time.monotonic()
        if len(self._wrong) == MOST_WRONG and now - self._wrong[0] < FORGET:
            return f"{MOST_WRONG} wrong logins within {FORGET:g} s; no login is looked at for a while"
        given = (name.encode(), (password or "").encode())
        try:
            for credential in self._operators:
                known = credentials.login(credential)
                if isinstance(known, UserName) and _same(
                    given, (known.name.encode(), known.password.encode())
                ):
                    return ""
        except NoCredential as error:
            return str(error)
        self._wrong.append(now)
        return f"the login {name!r} is none of the operators', or its password is wrong"

    def _problem(self, certificate: bytes | None) -> str:
        if not certificate:
            return "it shows no certificate"
        try:
            chain = chain_of(certificate)
            uri = next(iter(uris(chain[0])), "")
            peer = Peer(None, uri, ExtendedKeyUsageOID.CLIENT_AUTH)
            refused = [
                o for o in objections(chain, self._folder.trust(), peer, datetime.now(UTC)) if o.refuses
            ]
            if refused:
                self._folder.reject(chain[0])
                return (
                    f"{'; '.join(map(str, refused))}; edge-agent pki trust CONFIG {thumbprint(chain[0])[:8]}"
                )
        except (Unreadable, OSError) as error:
            return str(error)
        return ""


def _same(given: tuple[bytes, bytes], known: tuple[bytes, bytes]) -> bool:
    """Compare in a time that tells nothing."""
    name, password = (hmac.compare_digest(one, other) for one, other in zip(given, known, strict=True))
    return name and password
