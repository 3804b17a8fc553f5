"""Why a secured session does or does not come about: which field of which certificate, and what to do."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from asyncua import ua
from cryptography import x509

from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import Insecure
from edge_agent.drivers.opcua.clock import apart
from edge_agent.drivers.opcua.offers import offers, secured_offers
from edge_agent.drivers.opcua.security import Agreed, Security, policy_name
from edge_agent.drivers.opcua.services import attribute
from edge_agent.drivers.opcua.session import Session
from edge_agent.pki.certificate import (
    Unreadable,
    chain_of,
    common_name,
    hosts,
    is_self_signed,
    thumbprint,
    uris,
)
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.objection import Objection
from edge_agent.pki.own import Own
from edge_agent.pki.verify import SENT

_TRUST = "thumbprint: not trusted there; move it from the server's rejected certificates to its trusted ones"
_SAME_TIME = 1.0
_LOGIN = "the server refuses the login; look at its users and their rights, and at the credential"
_ISSUED = "have its authority issue one with it, or take it out and edge-agent pki renew CONFIG"
_REFUSED_BY_SERVER = {
    "BadSecurityChecksFailed": f"{_TRUST} (most likely; it says no more, its log may)",
    "BadCertificateUntrusted": _TRUST,
    "BadCertificateTimeInvalid": "notBefore, notAfter: not valid by the server's clock; set that clock",
    "BadCertificateUriInvalid": f"subjectAltName: the server wants another application URI; {_ISSUED}",
    "BadCertificateHostNameInvalid": "subjectAltName: the server sees this box under another host name; "
    "give it that name, then edge-agent pki renew CONFIG",
    "BadCertificateUseNotAllowed": f"keyUsage, extendedKeyUsage: the server wants another use; {_ISSUED}",
    "BadCertificateIssuerUseNotAllowed": "issuer: may not issue, says the server; have it issued by another",
    "BadCertificateChainIncomplete": "issuer: the server does not know it; give it the issuer's certificate",
    "BadCertificateRevoked": "serialNumber: revoked; put a new certificate into own/certs",
    "BadCertificateIssuerRevoked": "issuer: revoked; put a certificate of another authority into own/certs",
    "BadCertificateRevocationUnknown": "issuer: the server has no revocation list of it; give it that list",
    "BadCertificatePolicyCheckFailed": "publicKey, signatureAlgorithm: not strong enough for the server; "
    "have one made with a longer key",
    "BadIdentityTokenInvalid": _LOGIN,
    "BadIdentityTokenRejected": _LOGIN,
    "BadUserAccessDenied": _LOGIN,
    "BadUserSignatureInvalid": _LOGIN,
}
_NO_CHANNEL = "BadSecurityPolicyRejected"
_MEANS = [
    "means: it has no channel without security, on which the agent asks what it offers, and nothing else",
    "next: allow the policy None there for discovery (GetEndpoints); sessions without security stay barred",
]


async def explain(url: str, timeout: float, security: Security) -> tuple[bool, list[str]]:
    """Try to open a session and tell each step; True if it came about. Only the server's time is read."""
    own = await security.own()
    said = list(_ours(own))
    try:
        try:
            offered = await offers(url, timeout)
        except Insecure as refused:
            if refused.status != _NO_CHANNEL:
                raise
            said += await _without_channel(url, timeout, security, own)
            return False, said
        trusted, lines = _examined(url, security, offered)
        said += lines
        if not trusted:
            return False, said
        for agreed in await security.agree(url, timeout, own):
            try:
                said.append(await _try(url, timeout, agreed))
            except Insecure as refused:
                if not refused.ours:
                    raise
                said.append(f"REFUSED by the server: {_field(agreed.own, refused)}")
            else:
                return True, said
    except (LinkDown, Unreadable) as error:
        said.append(f"FAILED: {error}")
    return False, said


def _examined(url: str, security: Security, offered: list[ua.EndpointDescription]) -> tuple[bool, list[str]]:
    """Choose of what is offered and examine the server. Raises `Insecure`, `Unreadable` and OSError."""
    said = list(_offered(offered))
    try:
        endpoint = security.choose(url, offered)
    except Insecure as refused:
        todo = "next: allow one of those on the server, or write a policy and mode that it has"
        return False, [*said, f"FAILED: {refused}", todo]
    said.append(f"taken: {policy_name(endpoint)}, {endpoint.SecurityMode.name}")
    chain, folder = chain_of(endpoint.ServerCertificate or b""), PkiFolder(security.pki)
    said += _certificate("server's certificate", chain[0]) if chain else []
    found = security.examine(url, endpoint, chain, folder)
    trusted = not any(objection.refuses for objection in found)
    kept = f", kept as {folder.reject(chain[0])}" if chain and not trusted else ""
    for objection in found:
        said += _objection(objection, kept)
    return trusted, [*said, "server's certificate: trusted"] if trusted else said


def _objection(objection: Objection, kept: str) -> Iterator[str]:
    yield f"{'REFUSED' if objection.refuses else 'warning'}: {objection}"
    if objection.file:
        yield f"  file: {objection.file}{kept if objection.file == SENT else ''}"
    if objection.todo:
        yield f"  next: {objection.todo}"


async def _without_channel(url: str, timeout: float, security: Security, own: list[Own]) -> list[str]:
    """Tell what a server is that answers nothing without security, as far as it can be known."""
    said = [f"FAILED: {url}: {_NO_CHANNEL}", *_MEANS]
    guesses = await secured_offers(url, timeout, own, PkiFolder(security.pki))
    for guess in guesses:
        how = f"does not answer ({guess.problem})" if guess.problem else "answers"
        said.append(f"asked with security as {common_name(guess.certificate.subject)}, {guess.file}: {how}")
    if guesses and guesses[-1].offered:
        return [*said, *_examined(url, security, guesses[-1].offered)[1]]
    what = "the server's certificate, from its engineering tool"
    return [
        *said,
        f"next: edge-agent pki trust CONFIG FILE with {what}, and trust ours there; then it is examined",
    ]


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
    if not is_self_signed(own.certificate):
        by = common_name(own.certificate.issuer)
        text += f"; {by} issued it: the server needs the certificate of {by} and its revocation list, too"
    return f"{own.file}, {refused.status}: {text}"
