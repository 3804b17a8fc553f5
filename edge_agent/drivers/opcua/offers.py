"""What a server offers, asked for without security or, where it has no such channel, with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicy
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from edge_agent.drivers import LinkDown
from edge_agent.drivers.opcua.breaking import breaking, tell_refusals
from edge_agent.drivers.opcua.security import MODES, POLICIES
from edge_agent.pki.certificate import is_authority, is_for_host
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.own import Own
from edge_agent.pki.reading import Certificates

MOST_GUESSES = 8
"""Servers that are tried if none of those that are trusted is for the host."""


async def offers(
    url: str, timeout: float, policy: SecurityPolicy | None = None
) -> list[ua.EndpointDescription]:
    """Ask for the endpoints over a connection of its own (Part 4, 5.5.4). Raises `LinkDown`."""
    client = Client(url, timeout=timeout)
    if policy is not None:
        client.security_policy = policy
        client.uaclient.set_security(policy)
    try:
        with breaking(url):
            await client.connect_socket()
            await client.send_hello()
            tell_refusals(client.uaclient.protocol)
            await client.open_secure_channel()
            return list(await client.get_endpoints())
    finally:
        protocol = client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


@dataclass(frozen=True, slots=True)
class Guess:
    """A certificate that may be the server's, the file that it is in, and what came of asking with it."""

    file: Path
    certificate: x509.Certificate
    offered: list[ua.EndpointDescription]
    problem: str = ""


async def secured_offers(url: str, timeout: float, own: Sequence[Own], folder: PkiFolder) -> list[Guess]:
    """Ask with each policy that we have, as if the server were one of those that are trusted.

    What is sent can be read by the holder of that server's key alone, so that a wrong guess tells nothing.
    The last guess is the right one if it has offers. Raises OSError.
    """
    made: list[Guess] = []
    for file, server in _servers(folder, urlsplit(url).hostname or ""):
        problems: dict[str, None] = {}
        for one, name in product(own, POLICIES):
            policy = POLICIES[name](server, one.certificate, one.key, MODES["sign-and-encrypt"])
            try:
                return [*made, Guess(file, server, await offers(url, timeout, policy))]
            except LinkDown as error:
                problems[str(error).removeprefix(f"{url}: ")] = None
        made.append(Guess(file, server, [], ", ".join(problems)))
    return made


def _servers(folder: PkiFolder, host: str) -> Certificates:
    """Return trusted servers, those of the host that is dialled if there are any."""
    found = [
        (file, one)
        for file, one in folder.listed("trusted/certs")
        if isinstance(one.public_key(), rsa.RSAPublicKey) and not is_authority(one)
    ]
    return [(file, one) for file, one in found if is_for_host(one, host)] or found[:MOST_GUESSES]
