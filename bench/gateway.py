"""ThingsBoard Gateway as a peer: installed, configured for a plant of Modbus servers, and run."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import psutil

PACKAGES = ["thingsboard-gateway==3.8.5", "pymodbus==3.9.2", "pyserial", "pyserial-asyncio"]
"""The first installs the others by itself when it starts."""
START = 90.0
"""Seconds until it tells its first values."""
SETTLED = 10.0
"""Seconds from there until all devices are connected."""
PER_REQUEST = 125
UNLIMITED = {
    "maxPayloadSize": 65536,
    "maxInflightMessages": 100,
    "rateLimits": {},
    "gatewayRateLimits": {},
}
"""What it is told of its session: it may send as much as it likes."""


class Way(msgspec.Struct, frozen=True):
    """One way to configure it: an entry for each register, or one for a range; when it tells a value."""

    name: str
    by_range: bool
    report: str

    def points(self, registers: int) -> list[dict[str, Any]]:
        """The registers of one device."""
        common = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
        if not self.by_range:
            return [common | {"tag": f"r{n}", "address": n} for n in range(registers)]
        whole = {"tag": "r${address}", "address": f"0-{registers - 1}", "maxRegistersPerRequest": PER_REQUEST}
        return [common | whole]

    def tags_per_request(self, registers: int) -> float:
        """How many of a device's registers one request brings, on average."""
        return registers / -(-registers // PER_REQUEST) if self.by_range else 1.0


class Platform:
    """What it needs of its platform: an answer to its first question. Counts the values that it tells."""

    def __init__(self, port: int) -> None:
        self.values = 0
        self.port = port
        threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True).start()

    async def _listen(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker ends first
            async with aiomqtt.Client("127.0.0.1", self.port) as client:
                await client.subscribe("v1/gateway/telemetry")
                await client.subscribe("v1/devices/me/rpc/request/+")
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    topic, told = str(message.topic), json.loads(message.payload)
                    if topic == "v1/gateway/telemetry":
                        self.values += sum(len(row["values"]) for rows in told.values() for row in rows)
                    elif told["method"] == "getSessionLimits":
                        await client.publish(topic.replace("request", "response"), json.dumps(UNLIMITED))


def installed(folder: Path) -> Path:
    """Install it into a virtual environment; return the interpreter."""
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is needed: set UV"
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "-p", "3.11", str(folder / "venv")], check=True)
    subprocess.run([uv, "pip", "install", "-q", "-p", str(python), *PACKAGES], check=True)
    return python


def configure(
    folder: Path, python: Path, ports: list[int], registers: int, period: float, way: Way, broker: int
) -> None:
    """Write its configuration: its own examples, changed where they have to be."""
    examples = next((python.parents[1] / "lib").glob("python*/site-packages/thingsboard_gateway/config"))
    general = json.loads((examples / "tb_gateway.json").read_text())
    general["thingsboard"] |= {
        "host": "127.0.0.1",
        "port": broker,
        "remoteConfiguration": False,
        "statistics": {"enable": False},
        "reportStrategy": {"type": way.report},
    }
    general["connectors"] = [{"name": "plant", "type": "modbus", "configuration": "modbus.json"}]
    slaves = [
        {
            "host": "127.0.0.1",
            "port": port,
            "type": "tcp",
            "method": "socket",
            "unitId": 1,
            "deviceName": f"d{n}",
            "timeout": 5,
            "byteOrder": "BIG",
            "wordOrder": "BIG",
            "retries": 1,
            "pollPeriod": int(1000 * period),
            "timeseries": way.points(registers),
        }
        for n, port in enumerate(ports)
    ]
    (folder / "tb_gateway.json").write_text(json.dumps(general))
    (folder / "modbus.json").write_text(json.dumps({"master": {"slaves": slaves}, "logLevel": "WARNING"}))
    (folder / "logs.json").write_text((examples / "logs.json").read_text().replace('"INFO"', '"WARNING"'))


@contextmanager
def started(folder: Path, python: Path, platform: Platform) -> Iterator[psutil.Process]:
    """Run it by the configuration in `folder`, once it has settled."""
    command = [str(python), "-c", "from thingsboard_gateway.tb_gateway import main; main()"]
    variables = {
        "TB_GW_CONFIG_DIR": str(folder),
        "PATH": os.environ["PATH"],
        "HTTPS_PROXY": "http://127.0.0.1:9",  # it asks its maker for a newer version, and is not to
    }
    log = folder / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output) as process,
    ):
        try:
            before, until = platform.values, time.monotonic() + START
            while platform.values == before:
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < until, log.read_text()[-2000:]
                time.sleep(0.2)
            time.sleep(SETTLED)
            yield psutil.Process(process.pid)
        finally:
            process.kill()
