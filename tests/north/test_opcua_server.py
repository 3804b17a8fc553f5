"""The results over OPC UA, read by clients that nobody here wrote: node-opcua, and asyncua's own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import dense_model
import msgspec
import npm_peer
import psutil
import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from authority import Identity, identity
from broker import config_of
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from mosquitto import free_port

from edge_agent.cli import main
from edge_agent.config import Config
from edge_agent.config.north import North, OpcUaServer
from edge_agent.north.opcua import host
from edge_agent.north.opcua.host import OpcUaHost
from edge_agent.north.opcua.site import Output, Seen
from edge_agent.north.opcua.space import NAMESPACE
from edge_agent.pki.certificate import thumbprint
from edge_agent.pki.folder import PkiFolder
from edge_agent.status import MachineStatus, OutputStatus

pytestmark = pytest.mark.sockets
SCADA = identity("scada", uri="urn:scada")


def seen(**changes: Any) -> bytes:
    """What the status socket of an agent says, as far as it is shown."""
    wear = Output(name="wear", score=0.25, value=0.25, confidence=None, alarm=False)
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


@pytest.mark.parametrize(("shown", "told"), [(Seen, MachineStatus), (Output, OutputStatus)])
def test_what_is_shown_is_what_the_agent_says(shown: Any, told: Any) -> None:
    types = {field.name: field.type for field in msgspec.structs.fields(told)}
    for field in msgspec.structs.fields(shown):
        if field.name != "outputs":
            assert types[field.name] == field.type


class Gateway:
    """An agent's status socket, and the server's process beside it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir()
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/"
        self.pki = PkiFolder(self.state / "pki")
        self.said = seen()

    def config(self) -> Config:
        listen = OpcUaServer(host="127.0.0.1", port=self.port, pki=str(self.state / "pki"), loopback=True)
        config = config_of(self.state, "pump")
        return msgspec.structs.replace(config, north=North(opcua_server=listen))

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.said)
        writer.close()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Gateway"]:
        class Parts:
            config = self.config()

        server = await asyncio.start_unix_server(self._answer, self.state / "status.sock")
        task = asyncio.create_task(OpcUaHost(lambda: Parts).run())  # type: ignore[arg-type,return-value]
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


async def test_who_is_trusted_reads_and_who_is_not_does_not(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    async with gateway.serving():
        with pytest.raises(ua.UaError):
            async with reading(gateway, SCADA, tmp_path):
                pass
        (rejected,) = gateway.pki.listed("rejected")
        assert rejected[1] == SCADA.certificate
        with pytest.raises((ua.UaError, TimeoutError, ConnectionError)):
            async with Client(gateway.url, timeout=3) as unsecured:
                await value(unsecured, "pump/Score")
        gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
        async with reading(gateway, SCADA, tmp_path) as client:
            assert (await becomes(client, "pump/Score", "Good")).Value.Value == 0.25
            machines = await client.nodes.objects.get_child(
                [f"{await client.get_namespace_index(NAMESPACE)}:Machines"]
            )
            assert [(await m.read_browse_name()).Name for m in await machines.get_children()] == ["pump"]
            assert (await value(client, "pump/State")).Value.Value == "ADVISORY"
            assert (await value(client, "pump/Inputs/a.flow")).Value.Value == 12.5
            units = await value(client, "pump/Inputs/a.flow/EngineeringUnits")
            assert units.Value.Value.DisplayName.Text == "m3/h"
            assert (await value(client, "pump/Inputs/a.head")).StatusCode.name == "BadNoData"
            gateway.said = seen(score=None, state="FALLBACK", reason="TIMEOUT")
            await becomes(client, "pump/Score", "BadNoData")
            assert (await value(client, "pump/Reason")).Value.Value == "TIMEOUT"
            gateway.said = b""
            await becomes(client, "pump/State", "BadNoCommunication")


async def test_another_client_reads_is_told_of_alarms_and_cannot_write(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
    _, key = SCADA.save(tmp_path, "client")
    pem = tmp_path / "client-certificate.pem"
    pem.write_bytes(SCADA.certificate.public_bytes(Encoding.PEM))
    folder = await asyncio.to_thread(npm_peer.install, "opcua")
    async with gateway.serving():
        async with reading(gateway, SCADA, tmp_path) as first:
            index = await first.get_namespace_index(NAMESPACE)
            await becomes(first, "pump/Score", "Good")
        options = {
            "url": gateway.url,
            "uri": "urn:scada",
            "policy": "Aes256_Sha256_RsaPss",
            "pki": str(tmp_path / "client-pki"),
            "certificate": str(pem),
            "key": str(key),
            "nodes": [f"ns={index};s={n}" for n in ("pump/Score", "pump/Alarm", "pump/Inputs/a.head")],
            "source": f"ns={index};s=pump",
        }
        client = await asyncio.create_subprocess_exec(
            *("node", str(folder / "client.js"), json.dumps(options)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert await said(client) == {"read": [["Good", 0.25], ["Good", False], ["BadNoData", None]]}
            assert await said(client) == {"written": "BadUserAccessDenied"}
            assert await said(client) == {"listens": True}
            gateway.said = seen(alarm=True, score=0.75)
            raised = await said(client)
            assert raised == {"event": ["Alarm", "pump: alarm raised, score 0.75", 700, True, True]}
            gateway.said = seen()
            over = await said(client)
            assert over == {"event": ["Alarm", "pump: alarm over, score 0.25", 100, False, False]}
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


async def test_its_process_ends_with_the_agent_and_is_started_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "FIRST_WAIT", 0.1)
    gateway = Gateway(tmp_path)

    def children() -> list[psutil.Process]:
        found = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
        return [p for p in found if "north.opcua.server" in " ".join(p.cmdline())]

    async with gateway.serving():
        (child,) = children()
        child.kill()
        async with asyncio.timeout(60):
            await gateway._listens_again(lambda: children() not in ([], [child]))
    assert children() == []


def test_its_clients_are_trusted_by_the_commands_for_certificates(tmp_path: Path, dense_bundle: Path) -> None:
    config = tmp_path / "config.toml"
    tags = [f'{{ name = "{n}", table = "input", address = {i} }}' for i, n in enumerate(dense_model.NAMES)]
    config.write_text(
        '[agent]\nstate = "state"\n[opcua-server]\nlisten = "127.0.0.1:4840"\n'
        f'[device.a]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\ntags = [{", ".join(tags)}]\n'
        f'[machine.pump]\nbundle = "{dense_bundle}"\n[machine.pump.inputs]\n'
        + "".join(f'{n} = "a.{n}"\n' for n in dense_model.NAMES)
    )
    folder = PkiFolder(tmp_path / "state" / "pki")
    folder.reject(SCADA.certificate)
    said = CliRunner().invoke(main, ["pki", "trust", str(config), thumbprint(SCADA.certificate)[:8]])
    assert said.exit_code == 0, said.output
    assert folder.trust().trusted == [SCADA.certificate]
