"""Who may read: clients whose certificate is trusted, as our own PKI folder says (OPC 10000-4, 6.1.3)."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki.certificate import Unreadable, chain_of, thumbprint, uris
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.verify import Peer, objections

log = logging.getLogger(__name__)


class Trusted(UserManager):  # type: ignore[misc] # asyncua is not typed for us
    """Asked at every ActivateSession.

    The certificate is the secure channel's, whose key the client has proven to hold. What CreateSession
    carries proves nothing, and a client may leave it out.
    """

    def __init__(self, pki: Path) -> None:
        self._folder = PkiFolder(pki)
        self._told = ""

    def get_user(
        self, iserver: Any, username: Any = None, password: Any = None, certificate: bytes | None = None
    ) -> User | None:
        """Return a reader, or None for whom we do not know."""
        del iserver, username, password
        problem = self._problem(certificate)
        if problem:
            if problem != self._told:
                self._told = problem
                log.warning("opcua-server: a client is refused: %s", problem)
            return None
        return User(role=UserRole.User, name="reader")

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
