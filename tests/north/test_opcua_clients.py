"""The results over OPC UA, read by two clients that nobody here wrote, by every policy."""

import asyncio
import json
from pathlib import Path

import npm_peer
import pytest
import python_peer
from cryptography.hazmat.primitives.serialization import Encoding
from npm_peer import PEERS
from opcua_site import SCADA, Gateway, becomes, reading

from edge_agent.drivers.opcua.security import POLICIES
from edge_agent.north.opcua.space import NAMESPACE

pytestmark = pytest.mark.sockets


async def test_every_policy_with_node_opcua_and_with_open62541(tmp_path: Path) -> None:
    node_opcua = "node", await asyncio.to_thread(npm_peer.install, "opcua") / "reads.js"
    open62541 = await asyncio.to_thread(python_peer.install, "o6"), PEERS / "o6/client.py"
    gateway = Gateway(tmp_path)
    async with gateway.serving():
        gateway.pki.add("trusted/certs", SCADA.der, "scada.der")
        _, key = SCADA.save(tmp_path, "client")
        pem = tmp_path / "client-certificate.pem"
        pem.write_bytes(SCADA.certificate.public_bytes(Encoding.PEM))
        async with reading(gateway, SCADA, tmp_path) as first:
            index = await first.get_namespace_index(NAMESPACE)
            await becomes(first, "pump/Score", "Good")
        ((own, _),) = gateway.pki.listed("own/certs")
        options = {
            "url": gateway.url,
            "uri": "urn:scada",
            "policies": list(POLICIES),
            "pki": str(tmp_path / "client-pki"),
            "certificate": str(pem),
            "key": str(key),
            "server": str(own),
            "nodes": [f"ns={index};s=pump/Score", f"ns={index};s=pump/State"],
        }
        for program in (node_opcua, open62541):
            ran = await asyncio.create_subprocess_exec(
                *map(str, program),
                json.dumps(options),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said, complained = await ran.communicate()
            read = [json.loads(line) for line in said.splitlines() if line.startswith(b"[")]
            assert read == [[policy, 0.25, "ADVISORY"] for policy in POLICIES], complained.decode()[-2000:]
