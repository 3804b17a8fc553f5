"""Who both sides of a session are: which endpoint is taken, whether the server is the right one, who logs in.

All of it is decided before a secure channel is opened, from what GetEndpoints answers (OPC 10000-4, 5.5.4).
That answer is not protected, so `Session` compares it with what the server says inside the channel.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509

from edge_agent import credentials
from edge_agent.credentials import NoCredential, UserCertificate, UserName
from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure, breaking
from edge_agent.pki.certificate import Unreadable, chain_of
from edge_agent.pki.folder import PkiFolder, Trust
from edge_agent.pki.own import ClockNotSet, Own
from edge_agent.pki.verify import Objection, Peer, objections

PREFIX = "http://opcfoundation.org/UA/SecurityPolicy#"
POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
}
"""Those that may be used, the strongest first. Basic256 and Basic128Rsa15 rest on SHA-1 and are not here."""
MODES = {
    "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt,
    "sign": ua.MessageSecurityMode.Sign,
}


@dataclass(frozen=True, slots=True)
class Agreed:
    """How a channel will be secured, with a server that was found to be the right one."""

    asked: "Security"
    endpoint: ua.EndpointDescription
    server: x509.Certificate
    own: Own
    issuers: list[x509.Certificate]
    login: UserName | UserCertificate | None

    def policy(self) -> security_policies.SecurityPolicy:
        """Return a fresh policy for one channel."""
        kind = POLICIES[policy_name(self.endpoint)]
        own, mode = self.own, self.endpoint.SecurityMode
        return kind(self.server, own.certificate, own.key, mode, host_cert_chain=self.issuers)

    def confirm(self, url: str, endpoints: list[ua.EndpointDescription]) -> None:
        """Check that the server says inside the channel what it said before (OPC 10000-4, 5.6.2.2).

        Raises:
            Insecure: somebody on the way took an endpoint out or changed it.
        """
        if not _same(self.endpoint, self.asked.choose(url, endpoints)):
            text = f"{url}: the endpoints that it offers changed on the way; somebody is in between"
            raise Insecure(text, "BadSecurityChecksFailed", ours=False)

    def may_send_password(self, url: str, token: ua.UserTokenPolicy) -> None:
        """Check that a password will not cross the wire in the clear. Raises `Insecure`."""
        encrypted = (token.SecurityPolicyUri or "").removeprefix(PREFIX) in POLICIES
        if not encrypted and self.endpoint.SecurityMode != MODES["sign-and-encrypt"]:
            text = f"{url}: would take the password unencrypted; use security = 'sign-and-encrypt'"
            raise Insecure(text, "BadIdentityTokenRejected", ours=False)


@dataclass(frozen=True, slots=True)
class Security:
    """What is asked for. `policy` is one of `POLICIES` or ``best``; `login` names a credential."""

    pki: Path
    mode: Literal["sign-and-encrypt", "sign"] = "sign-and-encrypt"
    policy: str = "best"
    login: str = ""
    verify_host: bool = True

    async def own(self) -> list[Own]:
        """Return our certificates, made now if need be, which may take seconds. Raises `LinkDown`."""
        try:
            return await asyncio.to_thread(PkiFolder(self.pki).own, datetime.now(UTC))
        except (OSError, Unreadable, ClockNotSet) as error:
            raise Insecure(f"our own certificate: {error}", "BadNoValidCertificates", ours=False) from None

    async def agree(self, url: str, timeout: float, own: list[Own]) -> list[Agreed]:
        """Ask `url` for its endpoints, choose, and examine the server; one result for each of `own`.

        A certificate that is refused is put into the rejected folder. Raises `LinkDown`.
        """
        endpoint, folder = self.choose(url, await endpoints(url, timeout)), PkiFolder(self.pki)
        try:
            chain = self.trusted(url, endpoint, folder)
            login = credentials.login(self.login) if self.login else None
            trust = folder.trust()
        except Unreadable as error:
            raise Insecure(f"{url}: {error}", "BadCertificateInvalid", ours=False) from None
        except NoCredential as error:
            raise Insecure(f"{url}: {error}", "BadIdentityTokenInvalid", ours=False) from None
        except OSError as error:
            raise LinkDown(f"{self.pki}: {error.strerror}") from None
        return [
            Agreed(self, endpoint, chain[0], one, issuers_of(one.certificate, trust), login) for one in own
        ]

    def trusted(
        self, url: str, endpoint: ua.EndpointDescription, folder: PkiFolder, *, alive: bool = False
    ) -> list[x509.Certificate]:
        """Return the server's chain. A certificate that is refused is put into the rejected folder.

        A session that is `alive` does not end with a certificate: its machine runs, and it is the next that
        is refused. Raises `Insecure`, `Unreadable`, OSError.
        """
        chain = chain_of(endpoint.ServerCertificate or b"")
        refused = [o for o in self.examine(url, endpoint, chain, folder) if o.refuses]
        if alive:
            refused = [o for o in refused if o.status != "BadCertificateTimeInvalid"]
        if refused:
            if chain:
                folder.reject(chain[0])
            text = "; ".join(map(str, refused))
            text = f"{url}: certificate refused: {text}; see edge-agent pki explain CONFIG"
            raise Insecure(text, refused[0].status, ours=False)
        return chain

    def choose(self, url: str, offered: list[ua.EndpointDescription]) -> ua.EndpointDescription:
        """Take the strongest policy that is allowed, in the mode that is asked for. Raises `Insecure`."""
        mode = MODES[self.mode]
        allowed = list(POLICIES) if self.policy == "best" else [self.policy]
        fitting = {
            policy_name(endpoint): endpoint
            for endpoint in reversed(offered)
            if endpoint.SecurityMode == mode and (endpoint.EndpointUrl or "").startswith("opc.tcp:")
        }
        for name in allowed:
            if name in fitting:
                return fitting[name]
        wanted = f"{' or '.join(allowed)} in mode {mode.name}"
        text = f"{url}: offers {_said(offered)}; wanted is {wanted}"
        raise Insecure(text, "BadSecurityPolicyRejected", ours=False)

    def examine(
        self, url: str, endpoint: ua.EndpointDescription, chain: list[x509.Certificate], folder: PkiFolder
    ) -> list[Objection]:
        """Return what is wrong with the server's certificate."""
        if not chain:
            return [Objection("BadCertificateInvalid", url, "ServerCertificate", "the server sent none")]
        host = urlsplit(url).hostname if self.verify_host else None
        peer = Peer(host, endpoint.Server.ApplicationUri or "")
        return objections(chain, folder.trust(), peer, datetime.now(UTC))


async def endpoints(url: str, timeout: float) -> list[ua.EndpointDescription]:
    """Ask a server what it offers, over a connection of its own. Raises `LinkDown`."""
    client = Client(url, timeout=timeout)
    try:
        with breaking(url):
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            return list(await client.get_endpoints())
    finally:
        protocol = client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


async def wants(url: str, timeout: float, refused: Insecure) -> Insecure:
    """Return what a server wants that refused an anonymous session without security. Raises `LinkDown`."""
    offered = await endpoints(url, timeout)
    text = (
        f"{url}: takes no anonymous session without security ({refused.status}); it offers {_said(offered)}"
    )
    logins = {token.TokenType.name for endpoint in offered for token in endpoint.UserIdentityTokens or []}
    return Insecure(f"{text}, and the logins {', '.join(sorted(logins))}", refused.status, ours=True)


def _said(offered: list[ua.EndpointDescription]) -> str:
    return ", ".join(f"{policy_name(e)} {e.SecurityMode.name}" for e in offered) or "nothing"


def policy_name(endpoint: ua.EndpointDescription) -> str:
    """Return ``Basic256Sha256`` and the like."""
    return (endpoint.SecurityPolicyUri or "None").removeprefix(PREFIX)


def _same(one: ua.EndpointDescription, other: ua.EndpointDescription) -> bool:
    kept = ("SecurityMode", "SecurityPolicyUri", "SecurityLevel", "TransportProfileUri")
    return one.Server.ApplicationUri == other.Server.ApplicationUri and all(
        getattr(one, name) == getattr(other, name) for name in kept
    )


def issuers_of(certificate: x509.Certificate, trust: Trust) -> list[x509.Certificate]:
    """Return the issuers of our own certificate, to be sent along."""
    known = [*trust.trusted, *trust.issuers]
    found: list[x509.Certificate] = []
    while certificate.issuer != certificate.subject and len(found) < 8:
        issuer = next((other for other in known if other.subject == certificate.issuer), None)
        if issuer is None:
            break
        found.append(issuer)
        certificate = issuer
    return found
