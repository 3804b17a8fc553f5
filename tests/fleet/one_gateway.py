"""The gateway's side in this process, an office beside it, and a real broker between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.config import Config
from edge_agent.config.fields import Delay
from edge_agent.config.north import FleetTable, MqttTable
from edge_agent.fleet.documents import Progress, What, topic
from edge_agent.fleet.gateway import FleetGateway
from edge_agent.fleet.office import Office
from edge_agent.fleet.rollout import Gate, outcome
from edge_agent.historian import Historian

NAME = "gw1"


class OneGateway:
    """`order` tells it something and waits for what becomes of it."""

    def __init__(
        self, folder: Path, mqtt: MqttTable, office: Office, key: Ed25519PrivateKey, parts: Any
    ) -> None:
        self.state, self.mqtt, self.office, self.key = folder / "state", mqtt, office, key
        self.parts = parts

    async def keep(self, payload: bytes, *where: str | int) -> None:
        """Put a message on the broker."""
        await self.office.client.publish(topic("plant", *where), payload, qos=1, retain=True)

    async def order(self, what: What, seconds: float = 30) -> Progress:
        number = await self.office.order([NAME], what, self.key)
        await outcome(self.office, [NAME], what.subject, number, Gate(timeout=seconds))
        progress = self.office.progress(NAME, what.subject, number)
        assert progress is not None, self.office.reports
        return progress

    async def until(self, subject: str, stage: str, seconds: float = 30) -> Progress:
        """Wait until it reports this stage."""
        async with asyncio.timeout(seconds):
            while True:
                report = self.office.reports.get(NAME)
                if report and subject in report.orders and report.orders[subject].stage == stage:
                    return report.orders[subject]
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def one_gateway(folder: Path, port: int) -> AsyncIterator[OneGateway]:
    key = Ed25519PrivateKey.generate()
    keys = folder / "keys"
    keys.mkdir()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (keys / "office.pub").write_bytes(public)
    (folder / "state").mkdir(exist_ok=True)
    file = folder / "config.toml"
    file.write_text(f'[agent]\nstate = "state"\ntrust = "{keys}"\n')
    mqtt = MqttTable(host="127.0.0.1", port=port, group="plant", node=NAME, tls=False)
    fleet = FleetTable(group="hall", trust=str(keys), spread=Delay(0))
    config = Config(name=NAME, state=str(folder / "state"), devices=[], machines=[], file=str(file))
    parts: Any = SimpleNamespace(config=config, devices=[], machines=[])
    historian = Historian(folder / "state", 10**6, 0)
    running = asyncio.create_task(FleetGateway(config, mqtt, fleet, lambda: parts, historian).run())
    try:
        async with Office.connected(mqtt) as office:
            yield OneGateway(folder, mqtt, office, key, parts)
    finally:
        running.cancel()
        await asyncio.wait({running})
