"""A gateway that was away while the broker was restarted; over TLS with certificates, as in examples/."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from agent_process import until
from authority import identity
from cryptography.hazmat.primitives.serialization import Encoding
from gateways import Gateways, fleet, ordered, status, until_reported
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import start_plant

from edge_agent.bundles.store import sequence_of

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(600)]
WEEKS = 21 * 86_400


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """It knows these clients by their certificates, and no others."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    authority = identity("authority", ca=True, hosts=())
    server = identity("broker", issuer=authority)
    files = {
        "ca": authority.certificate.public_bytes(Encoding.PEM),
        "ca.pem": authority.certificate.public_bytes(Encoding.PEM),
        "broker.pem": server.certificate.public_bytes(Encoding.PEM),
        "broker.key": server.pem,
        **{name: identity(name, issuer=authority).pem for name in ("here", "away", "office")},
    }
    for name, data in files.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(data)
    started = Broker.of_example(tmp_path).start()
    yield started
    started.kill()


@pytest.fixture
def gateways(broker: Broker, dense_tflite: bytes, tmp_path: Path) -> Iterator[Gateways]:
    folder = tmp_path / "gateways"
    folder.mkdir()
    with start_plant(free_port()) as plant:
        yield Gateways(folder, broker.port, plant.modbus_port, dense_tflite, tls=True)


async def says(port: int, folder: Path, who: str, gateway: str, report: dict[str, Any]) -> None:
    """Let a client say something in the name of a gateway."""
    tls = ssl.create_default_context(cafile=str(folder / "ca"))
    tls.load_cert_chain(folder / who)
    async with aiomqtt.Client("127.0.0.1", port, tls_context=tls) as client:
        payload = msgspec.json.encode(report)
        await client.publish(f"edge-agent/plant/reported/{gateway}", payload, qos=1, retain=True)


def test_what_it_missed_it_does_once_it_is_back(gateways: Gateways, broker: Broker, tmp_path: Path) -> None:
    here, away = (gateways.make(name, "hall-1") for name in ("here", "away"))
    with gateways.running(here):
        with gateways.running(away):
            reports = until_reported(gateways, 2)
        long_ago = {**reports["away"], "time": reports["away"]["time"] - WEEKS}
        asyncio.run(says(broker.port, tmp_path, "here", "away", {**long_ago, "version": "a lie"}))
        assert status(gateways)["away"] == reports["away"], "nobody else may report of it"
        asyncio.run(says(broker.port, tmp_path, "office", "away", long_ago))

        release = gateways.release(2)
        begun = ordered(gateways, "rollout", release, "--stage", "50%,100%", "--timeout", 1)
        assert "come last: 1 gateway: away" in begun.output
        assert "stage 1 of 2: 1 gateway: here" in begun.output
        without = ordered(gateways, "rollout", release, "--stage", "100%", "--exclude", "away")
        assert without.exit_code == 0, without.output
        assert "stage 1 of 1: 1 gateway: here" in without.output
        assert "activate pump@2: withdrawn" in without.output
        misspelt = ordered(gateways, "rollout", release, "--exclude", "awya")
        assert "no gateway awya has reported" in misspelt.output

        told = ordered(gateways, "rollout", release, "--stage", "100%", "--gateway", "away", "--timeout", 1)
        assert told.exit_code == 1, told.output
        assert "silent: 1 gateway: away" in told.output
        hall = gateways.folder / "hall.toml"
        hall.write_text(gateways.parts().replace("[device.a]", "[device.a]\nmax_gap = 8"))
        ordered(gateways, "configure", hall, "--stage", "100%", "--gateway", "away", "--timeout", 1)
        kept = fleet(gateways, "status").output
        assert "files at the broker, until who needs one has it, 90 days at most:" in kept
        assert kept.count(" for 1 gateway: away") == 2

        broker.stop()
        broker.start()
        until(lambda: fleet(gateways, "status").output.count(" for 1 gateway: away") == 2, "all is kept")
        assert sequence_of(gateways.record(away).active) == 1
        with gateways.running(away):
            until_reported(gateways, 1, "done", "configuration")
            until_reported(gateways, 2, "done")
            assert sequence_of(gateways.record(away).active) == 2
            report = status(gateways)["away"]
            assert report["configuration"] != 0
            assert "canary: a call takes" in report["bundles"]["pump"]["verdict"]
            assert fleet(gateways, "status").output.count("needed by nobody") == 2
            assert fleet(gateways, "withdraw").output.count("withdrawn, 0.0 MB") == 2
            assert "files at the broker" not in fleet(gateways, "status").output
