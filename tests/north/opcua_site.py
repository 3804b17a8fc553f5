"""A gateway that is seen over OPC UA: its status, the process of its server, and a client of node-opcua."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dense_model
import msgspec
import npm_peer
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from authority import Identity, identity
from broker import config_of
from cryptography.hazmat.primitives.serialization import Encoding
from mosquitto import free_port

from edge_agent.config import Config
from edge_agent.config.north import North, OpcUaServer
from edge_agent.core.manifest import Limits
from edge_agent.historian import Historian
from edge_agent.north.opcua.host import OpcUaHost
from edge_agent.north.opcua.machinery import MACHINERY
from edge_agent.north.opcua.nameplate import Nameplate
from edge_agent.north.opcua.site import Output, Seen
from edge_agent.north.opcua.space import NAMESPACE
from edge_agent.pki.folder import PkiFolder

SCADA = identity("scada", uri="urn:scada")
WARNED = dense_model.manifest(
    outputs=[msgspec.structs.replace(dense_model.OUTPUT, warning=Limits(on=0.5, off=0.4))]
)


def seen(**changes: Any) -> bytes:
    """What the status socket of an agent says, as far as it is shown."""
    score, state = changes.get("score", 0.25), changes.pop("alarm_state", "NORMAL")
    raised, warning = state != "NORMAL", changes.pop("warning_state", "NORMAL")
    wear = Output(
        name="wear",
        score=score,
        value=0.25,
        confidence=None,
        alarm=raised,
        alarm_state=state,
        warning_state=warning,
    )
    fields: dict[str, Any] = {
        "name": "pump",
        "mode": "advisory",
        "state": "ADVISORY",
        "reason": "NONE",
        "score": 0.25,
        "alarm": False,
        "bundle": "dense 1",
        "inputs": {"a.flow": 12.5, "a.head": None},
        "outputs": [wear],
    }
    return msgspec.json.encode({"name": "gw", "machines": [Seen(**fields | changes)]})


class Gateway:
    """An agent's status socket, and the server's process beside it."""

    def __init__(
        self,
        folder: Path,
        operators: tuple[str, ...] = (),
        machines: Any = (),
        historian: Historian | None = None,
        nameplate: Nameplate | None = None,
    ) -> None:
        self.nameplate = {"pump": nameplate} if nameplate else {}
        self.operators, self.machines = list(operators), machines
        self.historian = historian or Historian(Path("nowhere"))
        self.state = folder / "state"
        self.state.mkdir()
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/"
        self.pki = PkiFolder(self.state / "pki")
        self.said = seen()

    def config(self) -> Config:
        pki = str(self.state / "pki")
        listen = OpcUaServer(
            host="127.0.0.1",
            port=self.port,
            pki=pki,
            loopback=True,
            operators=self.operators,
            nameplate=self.nameplate,
        )
        config = config_of(self.state, "pump", "fan", manifest=WARNED)
        return msgspec.structs.replace(config, north=North(opcua_server=listen))

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.said)
        writer.close()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Gateway"]:
        parts: Any = SimpleNamespace(config=self.config(), machines=self.machines)
        server = await asyncio.start_unix_server(self._answer, self.state / "status.sock")
        task = asyncio.create_task(OpcUaHost(lambda: parts, self.historian).run())
        try:
            await self._listens()
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            server.close()

    async def _listens_again(self, condition: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(0.05)
            if condition():
                return await self._listens()

    async def _listens(self) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    return


@contextlib.asynccontextmanager
async def reading(gateway: Gateway, who: Identity, folder: Path) -> AsyncIterator[Client]:
    certificate, key = who.save(folder, "client")
    client = Client(gateway.url)
    client.application_uri = "urn:scada"
    await client.set_security(SecurityPolicyBasic256Sha256, str(certificate), str(key))
    async with client:
        yield client


async def value(client: Client, path: str) -> ua.DataValue:
    index = await client.get_namespace_index(NAMESPACE)
    return await client.get_node(ua.NodeId(path, index)).read_data_value(raise_on_bad_status=False)


async def becomes(client: Client, path: str, status: str) -> ua.DataValue:
    async with asyncio.timeout(15):
        while True:
            found = await value(client, path)
            if found.StatusCode.name == status:
                return found
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def node_client(
    gateway: Gateway, folder: Path, source: str, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """node-opcua's client, trusted, which listens to the events of `source`; see client.js."""
    gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
    _, key = SCADA.save(folder, "client")
    pem = folder / "client-certificate.pem"
    pem.write_bytes(SCADA.certificate.public_bytes(Encoding.PEM))
    program = (await asyncio.to_thread(npm_peer.install, "opcua")) / "client.js"
    async with reading(gateway, SCADA, folder) as first:
        index = await first.get_namespace_index(NAMESPACE)
        machinery = await first.get_namespace_index(MACHINERY)
        await becomes(first, "pump/Score", "Good")
    given = {
        "url": gateway.url,
        "uri": "urn:scada",
        "policy": "Aes256_Sha256_RsaPss",
        "pki": str(folder / "client-pki"),
        "certificate": str(pem),
        "key": str(key),
        "nodes": [f"ns={index};s={n}" for n in ("pump/Score", "pump/Alarm", "pump/Inputs/a.head")],
        "source": source.format(index=index, machinery=machinery),
    }
    client = await asyncio.create_subprocess_exec(
        *("node", str(program), json.dumps(given | options)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield client
    finally:
        client.kill()
        await client.communicate()


async def said(client: asyncio.subprocess.Process) -> Any:
    assert client.stdout is not None
    async with asyncio.timeout(30):
        while True:
            line = await client.stdout.readline()
            assert line, "the client ended"
            if line.startswith(b"{"):
                return json.loads(line)
