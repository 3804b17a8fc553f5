"""The agent as a service on a server that takes nothing but Basic256Sha256, signed and encrypted."""

import asyncio
import contextlib
import math
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from agent_process import INPUTS, AgentProcess, small_bundle, until
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from authority import URI, identity
from node_opcua import NodeServer
from opcua_process import free_port

from edge_agent.core.states import State
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
NODE = "nsu=urn:test:plant;s="
HEARTBEAT = 7
"""What Count is when the server starts."""
FIELDS = {"heartbeat": "Count", "state": "State", "score": "v4"}
CONFIG = """
[agent]
state = "state"
[device.scada]
driver = "opc-ua"
url = "{url}"
security = "sign-and-encrypt"
policy = "Basic256Sha256"
scan = "100ms"
timeout = "2s"
read = "subscribe"
tags = [{tags}]
[machine.pump]
bundle = "small.bundle"
mode = "advisory"
inputs = {{ {inputs} }}
[machine.pump.result]
device = "scada"
[machine.pump.result.fields]
{fields}
"""


class Site:
    """A secured server, an agent that it trusts and that trusts it, and a client of somebody else."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.plc = plc = identity("plc", hosts=("localhost",))
        self._witness = identity("witness")
        self._folder = folder
        self.server = NodeServer(folder, free_port(), plc, policies=["Basic256Sha256"], count=5)
        pki = PkiFolder(folder / "state" / "pki")
        self.own = pki.own(datetime.now(UTC))[0]
        self.server.trust(self.own.file.read_bytes())
        self.server.trust(self._witness.der, "witness")
        pki.add("trusted/certs", plc.der, "plc.der")
        stack.callback(self.server.kill)
        self.server.start()
        config = folder / "agent.toml"
        config.write_text(
            CONFIG.format(
                url=self.server.url,
                tags=", ".join(f'{{ name = "{n}", node = "{NODE}v{i}" }}' for i, n in enumerate(INPUTS)),
                inputs=", ".join(f'{n} = "scada.{n}"' for n in INPUTS),
                fields="\n".join(f'{f} = {{ node = "{NODE}{node}" }}' for f, node in FIELDS.items()),
            )
        )
        self.agent = stack.enter_context(AgentProcess(config))

    def result(self) -> dict[str, Any]:
        """Read the result as the server holds it, by a client of our own."""

        async def ask() -> list[Any]:
            client = Client(self.server.url, timeout=4)
            client.application_uri = URI
            own = self._witness.save(self._folder, "witness")
            await client.set_security(
                SecurityPolicyBasic256Sha256, *own, mode=ua.MessageSecurityMode.SignAndEncrypt
            )
            async with client:
                index = await client.get_namespace_index("urn:test:plant")
                nodes = [client.get_node(f"ns={index};s={name}") for name in FIELDS.values()]
                return [await node.read_value() for node in nodes]

        return dict(zip(FIELDS, asyncio.run(ask()), strict=True))

    def advisory(self) -> dict[str, Any] | None:
        """The result if it is one, written since the server began."""
        found = self.result()
        return found if found["state"] == State.ADVISORY and found["heartbeat"] != HEARTBEAT else None

    def healthy(self) -> bool:
        (device,) = self.agent.status()["devices"]
        return bool(device["healthy"])


@pytest.fixture(scope="module")
def site(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("secured-agent")
    small_bundle(folder / "small.bundle", dense_tflite)
    with contextlib.ExitStack() as stack:
        yield Site(folder, stack)


def test_inputs_and_result_cross_an_encrypted_wire(site: Site) -> None:
    first = until(site.advisory, "a result on the server", 60)
    assert math.isfinite(first["score"])
    until(lambda: site.result()["heartbeat"] != first["heartbeat"], "the next heartbeat")
    writes = site.agent.machine("pump")["writes"]
    assert writes["verified"] > 0
    assert writes["refused"] == writes["read back different"] == 0


def test_the_status_says_when_its_certificates_end(site: Site) -> None:
    (device,) = site.agent.status()["devices"]
    ends = device["certificate_ends"]
    assert ends["server"] == site.plc.certificate.not_valid_after_utc.timestamp()
    assert ends["own"] == site.own.certificate.not_valid_after_utc.timestamp()


def test_a_server_that_falls_silent_and_wakes_up(site: Site) -> None:
    assert site.server.process is not None
    os.kill(site.server.process.pid, signal.SIGSTOP)
    try:
        until(lambda: not site.healthy(), "silence is seen", 30)
        until(lambda: site.agent.machine("pump")["state"] != "ADVISORY", "its machine says so")
    finally:
        os.kill(site.server.process.pid, signal.SIGCONT)
    until(site.healthy, "it answers again", 60)
    before = site.result()["heartbeat"]
    until(lambda: site.result()["heartbeat"] != before and site.advisory(), "results again", 60)


def test_a_server_that_restarts(site: Site) -> None:
    site.server.kill()
    until(lambda: not site.healthy(), "the loss is seen", 30)
    site.server.start()
    until(site.advisory, "a result on the new server", 60)
    assert site.healthy()


def test_a_server_that_shows_another_certificate_gets_nothing(site: Site) -> None:
    site.server.kill()
    stranger = identity("stranger", hosts=("localhost",))
    site.server.present(stranger)
    since = len(site.agent.lines)
    site.server.start()
    try:
        until(
            lambda: any("trust" in line for line in site.agent.lines[since:]),
            f"the refusal, told {site.agent.lines}",
            30,
        )
        device = site.agent.status()["devices"][0]
        assert device["healthy"] is False
    finally:
        site.server.kill()
