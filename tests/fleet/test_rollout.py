"""A fleet of real agents on one broker: a rollout by stages, one that stops, and a gateway that was away.

``EDGE_AGENT_FLEET=50`` makes it fifty.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gateways import Gateways
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import start_plant

from edge_agent.bundles.store import sequence_of
from edge_agent.cli import main

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(3600)]
SIZE = int(os.environ.get("EDGE_AGENT_FLEET", "3"))
PATIENCE = 120.0 + 20 * SIZE


@pytest.fixture
def gateways(dense_tflite: bytes, tmp_path: Path) -> Iterator[Gateways]:
    broker = Broker(tmp_path).start()
    with start_plant(free_port()) as plant:
        spread, period = (4 * SIZE, 1.0) if SIZE > 5 else (0, 0.1)
        yield Gateways(tmp_path, broker.port, plant.modbus_port, dense_tflite, spread, period)
    broker.kill()


def fleet(gateways: Gateways, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["fleet", *map(str, arguments), "--broker", str(gateways.office)])


def ordered(gateways: Gateways, *arguments: object) -> Result:
    return fleet(gateways, *arguments, "--key", gateways.key_file)


def rollout(gateways: Gateways, bundle: Path, *options: str) -> Result:
    return ordered(gateways, "rollout", bundle, "--timeout", PATIENCE, *options)


def status(gateways: Gateways) -> dict[str, Any]:
    said = fleet(gateways, "status", "--json")
    assert said.exit_code == 0, said.output
    return {report["gateway"]: report for report in json.loads(said.stdout)}


def stage(report: dict[str, Any], subject: str = "bundle/pump") -> str:
    return report["orders"][subject]["stage"] if subject in report["orders"] else "none"


def until_reported(
    gateways: Gateways, count: int, reached: str = "", subject: str = "bundle/pump"
) -> dict[str, Any]:
    """Wait until so many gateways report this stage, any if none is named."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = status(gateways)
        fitting = {n: r for n, r in found.items() if reached in ("", stage(r, subject))}
        if len(fitting) >= count:
            return fitting
        assert time.monotonic() < deadline, found


def test_a_release_comes_to_all_and_a_bad_one_to_one(gateways: Gateways) -> None:
    names = [f"gw{number:03d}" for number in range(SIZE)]
    configs = {name: gateways.make(name, "hall-1" if name < "gw001" else "hall-2") for name in names}
    away = configs["gw000"]
    here = [config for config in configs.values() if config != away]
    with gateways.running(*here):
        until_reported(gateways, SIZE - 1)
        with gateways.running(away):
            until_reported(gateways, SIZE)
        said = rollout(gateways, gateways.release(2), "--stage", "40%,100%", "--ready", "0", "--timeout", "5")
        assert "stage 2 of 2" in said.output
        until_reported(gateways, SIZE - 1, "done")
        assert all(sequence_of(gateways.record(config).active) == 2 for config in here)
        assert sequence_of(gateways.record(away).active) == 1
        hall = gateways.folder / "hall.toml"
        hall.write_text(gateways.parts().replace("[device.a]", "[device.a]\nmax_gap = 8"))
        said = ordered(gateways, "configure", hall, "--stage", "100%", "--ready", "0", "--timeout", "5")
        until_reported(gateways, SIZE - 1, "done", "configuration")
        with gateways.running(away):
            until_reported(gateways, SIZE, "done", "configuration")
            caught_up = until_reported(gateways, SIZE, "done")
            assert len({r["configuration"] for r in caught_up.values()} - {0}) == 1
            assert "canary: a call takes" in caught_up["gw000"]["bundles"]["pump"]["verdict"]
            assert all(gateways.record(config).committed for config in configs.values())
            bad = rollout(gateways, gateways.release(3, proven=False), "--stage", "1%,100%")
            assert bad.exit_code == 1, bad.output
            assert "refused by the canary" in bad.output
            assert "nobody else was told" in bad.output
            reports = status(gateways)
            assert sum(stage(r) == "refused" for r in reports.values()) == 1
            assert {r["bundles"]["pump"]["active"] for r in reports.values()} == {2}
            only = rollout(
                gateways, gateways.release(4), "--group", "hall-1", "--stage", "100%", "--as", "candidate"
            )
            assert only.exit_code == 0, only.output
            reports = status(gateways)
            assert [n for n, r in reports.items() if r["bundles"]["pump"]["candidate"] == 4] == ["gw000"]
            table = fleet(gateways, "status").output
            assert "pump@2 (candidate 4)" in table
            seen = ordered(gateways, "command", "acknowledge", "alpha", "--timeout", PATIENCE)
            assert seen.exit_code == 0, seen.output
            assert f"{SIZE} of {SIZE} well" in seen.output
            assert f"{SIZE} gateways" in table
