"""Why a secured session does or does not come about: which field of which certificate, and what to do."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from asyncua import ua
from cryptography import x509

from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.clock import apart
from edge_agent.drivers.opcua.security import Agreed, Security, endpoints, policy_name
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.pki.certificate import chain_of, common_name, hosts, thumbprint, uris
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.own import Own
from edge_agent.pki.verify import Objection

_TRUST = "thumbprint: not trusted there; move it from the server's rejected certificates to its trusted ones"
_SAME_TIME = 1.0
_LOGIN = "the server refuses the login; look at its users and their rights, and at the credential"
_REFUSED_BY_SERVER = {
    "BadSecurityChecksFailed": f"{_TRUST} (most likely; it says no more, its log may)",
    "BadCertificateUntrusted": _TRUST,
    "BadCertificateTimeInvalid": "notBefore, notAfter: not valid by the server's clock; set that clock",
    "BadCertificateUriInvalid": "subjectAltName: the server wants another application URI than is in it",
    "BadCertificateHostNameInvalid": "subjectAltName: the server sees this box under another host name",
    "BadCertificateUseNotAllowed": "keyUsage, extendedKeyUsage: the server wants other uses than are in it",
    "BadCertificateChainIncomplete": "issuer: the server does not know it; give it the issuer's certificate",
    "BadCertificateRevoked": "serialNumber: revoked; put a new certificate into own/certs",
    "BadCertificateRevocationUnknown": "issuer: the server has no revocation list of it",
    "BadCertificatePolicyCheckFailed": "publicKey, signatureAlgorithm: not strong enough for the server",
    "BadIdentityTokenInvalid": _LOGIN,
    "BadIdentityTokenRejected": _LOGIN,
    "BadUserAccessDenied": _LOGIN,
    "BadUserSignatureInvalid": _LOGIN,
}


async def explain(url: str, timeout: float, security: Security) -> tuple[bool, list[str]]:
    """Try to open a session and tell each step; True if it came about. Only the server's time is read."""
    own = await security.own()
    said = list(_ours(own))
    try:
        offered = await endpoints(url, timeout)
        said += _offered(offered)
        endpoint = security.choose(url, offered)
        said.append(f"taken: {policy_name(endpoint)}, {endpoint.SecurityMode.name}")
        chain = chain_of(endpoint.ServerCertificate or b"")
        said += _certificate("server's certificate", chain[0]) if chain else []
        found = security.examine(url, endpoint, chain, PkiFolder(security.pki))
        said += [f"{'REFUSED' if o.refuses else 'warning'}: {o}" for o in found]
        if any(o.refuses for o in found):
            return False, [*said, *_next(found, chain)]
        said.append("server's certificate: trusted")
        for agreed in await security.agree(url, timeout, own):
            try:
                said.append(await _try(url, timeout, agreed))
            except Insecure as refused:
                if not refused.ours:
                    raise
                said.append(f"REFUSED by the server: {_field(agreed.own, refused)}")
            else:
                return True, said
    except LinkDown as error:
        said.append(f"FAILED: {error}")
    return False, said


async def _try(url: str, timeout: float, agreed: Agreed) -> str:
    session = Session(url, timeout, agreed)
    try:
        async with asyncio.timeout(timeout):
            await session.open()
            now = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
            [answer] = await session.read([attribute(now)])
    except TimeoutError:
        raise LinkDown(f"{url}: no session within {timeout:g} s") from None
    finally:
        await session.close()
    name, clock = agreed.own.file.name, answer.Value.Value
    if not isinstance(clock, datetime):
        return f"session: opened with {name}; the server does not tell its time"
    ahead = (clock - datetime.now(UTC)).total_seconds()
    how = "agrees with ours" if abs(ahead) < _SAME_TIME else f"is {apart(ahead, 'ours')}"
    return f"session: opened with {name}; the server's clock {how}"


def _next(found: list[Objection], chain: list[x509.Certificate]) -> Iterator[str]:
    if {o.status for o in found if o.refuses} == {"BadCertificateUntrusted"}:
        short = thumbprint(chain[0])[:8]
        yield f"next: if the engineering tool shows that thumbprint too, edge-agent pki trust CONFIG {short}"


def _ours(own: list[Own]) -> Iterator[str]:
    for one in own:
        yield from _certificate(f"our certificate {one.file.name}", one.certificate)


def _certificate(title: str, certificate: x509.Certificate) -> Iterator[str]:
    yield f"{title}: {common_name(certificate.subject)}, by {common_name(certificate.issuer)}"
    yield f"  thumbprint {thumbprint(certificate)}"
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    yield f"  valid {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    yield f"  URI {', '.join(uris(certificate)) or '-'}; hosts {', '.join(hosts(certificate)) or '-'}"


def _offered(offered: list[ua.EndpointDescription]) -> Iterator[str]:
    for endpoint in offered:
        logins = (
            ", ".join(sorted({token.TokenType.name for token in endpoint.UserIdentityTokens or []})) or "-"
        )
        yield f"offered: {policy_name(endpoint)}, {endpoint.SecurityMode.name}; logins {logins}"


def _field(own: Own, refused: Insecure) -> str:
    text = _REFUSED_BY_SERVER.get(refused.status, "no field is named; see the server's log")
    return f"{own.file.name}, {refused.status}: {text}"
