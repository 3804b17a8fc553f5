"""The server's process: ``python -m edge_agent.north.opcua.server``, the site as JSON on standard input.

It ends when its standard input does: when the agent ends, whatever way it ends. On standard output it says
how it stands, see `site.Word`.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from asyncua import Server, ua
from asyncua.server.internal_session import SessionState

from edge_agent.north.opcua.access import Trusted
from edge_agent.north.opcua.asking import Asking
from edge_agent.north.opcua.conditions import Conditions
from edge_agent.north.opcua.sessions import CallingServer
from edge_agent.north.opcua.site import Asked, Site, Told, Word, look
from edge_agent.north.opcua.space import Space
from edge_agent.pki.certificate import Unreadable
from edge_agent.pki.folder import PkiFolder
from edge_agent.pki.own import ClockNotSet

log = logging.getLogger("edge_agent.opcua_server")

EVERY = 1.0
"""Seconds between looks at the agent."""
MOST_CONNECTIONS, MOST_SUBSCRIPTIONS = 20, 100
POLICIES = [
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
]
"""Without security nothing is shown but these."""


async def serve(site: Site, asking: Asking) -> None:
    """Serve until cancelled. Raises OSError if the port is taken, and what `PkiFolder.own` raises."""
    own = (await asyncio.to_thread(PkiFolder(Path(site.pki)).own, datetime.now(UTC)))[0]
    server = Server(CallingServer(user_manager=Trusted(Path(site.pki), site.operators)))
    await server.init()
    conditions = Conditions(server, asking.ask)
    server.iserver.on_call = conditions.call
    server.iserver.max_connections = MOST_CONNECTIONS
    server.iserver.max_subscriptions = MOST_SUBSCRIPTIONS
    server.limits.max_message_size = 2**20
    host = f"[{site.host}]" if ":" in site.host else site.host
    server.set_endpoint(f"opc.tcp://{host}:{site.port}/")
    server.set_server_name(f"edge-agent {site.name}")
    await server.set_application_uri(own.uri)
    await server.load_certificate(own.file)
    await server.load_private_key(own.file.parents[1] / "private" / f"{own.file.stem}.pem")
    server.set_security_policy(POLICIES)
    logins = [ua.UserNameIdentityToken] if site.operators else []
    server.set_identity_tokens([ua.AnonymousIdentityToken, *logins])
    await conditions.begin()
    space = Space(server, site, conditions)
    await space.build()
    async with server:
        log.info("opcua-server: listens at %s:%d", site.host, site.port)
        said = None
        while True:
            word = Word(clients=_clients(server))
            if word != said:
                _say(said := word)
            await space.show(await look(Path(site.state)))
            await asyncio.sleep(EVERY)


def _clients(server: Server) -> int:
    sessions = server.iserver._external_sessions.values()  # noqa: SLF001 - nothing else counts them
    return sum(session.state is SessionState.Activated for session in sessions)


def _say(word: Word | Asked) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(word) + b"\n")
    sys.stdout.flush()


async def _until_told(site: Site) -> None:
    reader = asyncio.StreamReader()
    # No thread reads it: one that waits for ever would keep a server that failed from ending.
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    asking = Asking(_say)
    serving = asyncio.create_task(serve(site, asking))
    ended = asyncio.create_task(_hear(reader, asking))
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    if ended.done():
        ended.result()
    serving.cancel()
    await asyncio.wait({serving})


async def _hear(reader: asyncio.StreamReader, asking: Asking) -> None:
    while line := await reader.readline():
        asking.hear(msgspec.json.decode(line, type=Told))


def main() -> None:
    """Serve the site that is on the first line of standard input."""
    logging.basicConfig(level="WARNING", format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("edge_agent").setLevel("INFO")
    # What strangers send is asyncua's daily bread, and no news for the journal.
    logging.getLogger("asyncua").setLevel("CRITICAL")
    try:
        asyncio.run(_until_told(msgspec.json.decode(sys.stdin.buffer.readline(), type=Site)))
    except (OSError, Unreadable, ClockNotSet) as error:
        log.warning("opcua-server: %s", error)
        _say(Word(error=str(error)))
        sys.exit(1)


if __name__ == "__main__":
    main()
