"""Whether a server's certificate is to be trusted, and if not, which field of which certificate says so.

The steps are those of OPC 10000-4, 6.1.3, and each objection carries the StatusCode that the standard
gives to its step. All steps are taken, so that one look tells everything that is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.pki import rules
from edge_agent.pki.certificate import common_name, is_self_signed, thumbprint
from edge_agent.pki.folder import Trust
from edge_agent.pki.objection import Held, Objection
from edge_agent.pki.revocation import revocation

__all__ = ["Objection", "Peer", "objections"]

LONGEST_CHAIN = 8
SENT = "sent by the server"

Path = list[Held]


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we meant: the host that we dialled (None: any will do), the URI that the other side gives itself.

    `role` is what its certificate has to be for: a server's, or a client's.
    """

    host: str | None
    uri: str
    role: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH


def objections(sent: Sequence[x509.Certificate], trust: Trust, peer: Peer, now: datetime) -> list[Objection]:
    """Return all that is wrong with a server's certificate, the first of `sent`.

    It is trusted if none of them `refuses`. A certificate that is itself in trusted/certs needs no chain.
    """
    known = [Held(one, trust.where(one, SENT)) for one in [*sent, *trust.trusted, *trust.issuers]]
    path, broken = _path(known[0], known[1:])
    leaf, issuers = path[0], path[1:]
    pinned = leaf.certificate in trust.trusted
    found = list(rules.strength(leaf))
    if broken and not pinned:
        found.append(broken)
    if not pinned and not any(held.certificate in trust.trusted for held in path):
        found.append(_untrusted(path))
    for held in path:
        found += rules.validity(held, now)
    found += rules.host(leaf, peer.host)
    found += rules.uri(leaf, peer.uri)
    found += rules.usage(leaf, peer.role)
    for depth, issuer in enumerate(issuers):
        found += rules.authority(issuer, depth)
        found += rules.strength_of_authority(issuer, refuses=not pinned)
    for held, issuer in pairwise(path):
        found += revocation(held, issuer, trust, now, pinned=pinned)
    return found


def _path(leaf: Held, known: Sequence[Held]) -> tuple[Path, Objection | None]:
    """Build the chain from the leaf to a self-signed root, every signature checked."""
    path = [leaf]
    while len(path) <= LONGEST_CHAIN:
        last = path[-1]
        if is_self_signed(last.certificate):
            return path, None if _signed(last, last) else _not_by_itself(last)
        named = [other for other in known if other.certificate.subject == last.certificate.issuer]
        issuer = next((other for other in named if _signed(last, other)), None)
        if issuer is None:
            return path, _without_issuer(last, named)
        path.append(issuer)
    problem, todo = f"the chain is longer than {LONGEST_CHAIN}", "issue it by an authority nearer to the root"
    return path, leaf.objection("BadCertificateChainIncomplete", "issuer", problem, todo)


def _signed(held: Held, issuer: Held) -> bool:
    try:
        held.certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _not_by_itself(root: Held) -> Objection:
    todo = "it was damaged or forged; get it anew from whose it is"
    return root.objection("BadSecurityChecksFailed", "signature", "is not by its own key", todo)


def _without_issuer(last: Held, named: Sequence[Held]) -> Objection:
    by = common_name(last.certificate.issuer)
    todo = f"get the certificate of {by}, then edge-agent pki trust CONFIG FILE --issuer"
    if not named:
        problem = f"issuer {by} was not sent and is not here; put its certificate into issuers/certs"
        return last.objection("BadCertificateChainIncomplete", "issuer", problem, todo)
    where = " or ".join(dict.fromkeys(held.file for held in named))
    problem = f"is not by the key of {by}"
    todo = f"the {by} of {where} has another key: {todo}; if it has that already, this one is forged"
    return last.objection("BadSecurityChecksFailed", "signature", problem, todo)


def _untrusted(path: Path) -> Objection:
    leaf, own = path[0], thumbprint(path[0].certificate)
    todo = f"if the engineering tool shows that thumbprint too, edge-agent pki trust CONFIG {own[:8]}"
    if not is_self_signed(leaf.certificate):
        by = common_name(leaf.certificate.issuer)
        todo = f"{todo}; or trust CONFIG FILE with the certificate of {by}, and one with its revocation list"
    problem = f"{own} is not in trusted/certs"
    if len(path) > 1:
        problem = f"neither {own} nor any of its issuers is in trusted/certs"
    return leaf.objection("BadCertificateUntrusted", "thumbprint", problem, todo)
