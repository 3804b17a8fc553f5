"""A fleet of real agents on one broker, each polling a plant: releases stage by stage, and a promotion.

``EDGE_AGENT_FLEET=50`` (``make fleet GATEWAYS=50``) makes it fifty.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import AgentProcess, until
from click.testing import Result
from gateways import ENOUGH, Gateways, fleet, ordered, stage, status, until_reported
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import start_plant

from edge_agent.bundles.store import sequence_of

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(3600)]
SIZE = int(os.environ.get("EDGE_AGENT_FLEET", "6"))
PATIENCE = 120.0 + 20 * SIZE


@pytest.fixture
def gateways(dense_tflite: bytes, tmp_path: Path) -> Iterator[Gateways]:
    broker = Broker(tmp_path).start()
    with start_plant(free_port()) as plant:
        spread, period = (4 * SIZE, 1.0) if SIZE > 10 else (0, 0.25)
        yield Gateways(tmp_path, broker.port, plant.modbus_port, dense_tflite, spread, period)
    broker.kill()


def staged(gateways: Gateways, do: str, file: Path, *options: str) -> Result:
    return ordered(gateways, do, file, "--timeout", PATIENCE, *options)


def test_a_release_comes_to_all_a_bad_one_to_one_and_a_candidate_is_promoted(gateways: Gateways) -> None:
    names = [f"gw{number:03d}" for number in range(SIZE)]
    configs = {name: gateways.make(name, "hall-1" if name == "gw000" else "hall-2") for name in names}
    with gateways.running(*configs.values()) as (first, *_):
        until_reported(gateways, SIZE, seconds=PATIENCE)
        good = staged(gateways, "rollout", gateways.release(2), "--stage", "40%,100%")
        assert good.exit_code == 0, good.output
        assert "stage 2 of 2" in good.output
        assert good.output.endswith("activate pump@2: withdrawn, 0.0 MB\n"), (
            "nobody needs its pieces any more"
        )
        assert all(gateways.record(config).committed for config in configs.values())
        assert {sequence_of(gateways.record(config).active) for config in configs.values()} == {2}
        assert all("canary: a call" in r["bundles"]["pump"]["verdict"] for r in status(gateways).values())

        bad = staged(gateways, "rollout", gateways.release(3, proven=False), "--stage", "1%,100%")
        assert bad.exit_code == 1, bad.output
        assert "refused by the canary" in bad.output
        assert "nobody else was told" in bad.output
        reports = status(gateways)
        assert sum(stage(r) == "refused" for r in reports.values()) == 1
        assert {r["bundles"]["pump"]["active"] for r in reports.values()} == {2}

        release = gateways.release(4)
        only = staged(
            gateways, "rollout", release, "--as", "candidate", "--group", "hall-1", "--stage", "100%"
        )
        assert only.exit_code == 0, only.output
        reports = status(gateways)
        assert [n for n, r in reports.items() if r["bundles"]["pump"]["candidate"] == 4] == ["gw000"]
        early = staged(gateways, "promote", release)
        assert early.exit_code == 1, early.output
        assert "gw000: left out: alpha: " in early.output
        assert "gw001: left out: pump@4 is not its candidate" in early.output
        assert sequence_of(gateways.record(configs["gw000"]).active) == 2

        until(lambda: lacks(first) == [], "it has shown enough", PATIENCE)
        seen = ordered(gateways, "command", "acknowledge", "alpha", "--timeout", PATIENCE)
        assert seen.exit_code == 0, seen.output
        assert f"{SIZE} of {SIZE} well" in seen.output
        version = status(gateways)["gw000"]["bundles"]["pump"]
        assert (version["promotable"], version["shown"]["alpha"]["lacks"]) == (True, [])
        assert int(version["shown"]["alpha"]["said"].split()[0]) >= ENOUGH
        table = fleet(gateways, "status").output
        assert "pump@2 (candidate 4 may be promoted)" in table
        assert "    pump@4: alpha: " in table
        assert f"{SIZE} gateways" in table
        promoted = staged(gateways, "promote", release)
        assert promoted.exit_code == 0, promoted.output
        assert gateways.record(configs["gw000"]).committed
        assert sequence_of(gateways.record(configs["gw000"]).active) == 4
        assert "left out" in staged(gateways, "promote", release).output


def lacks(agent: AgentProcess) -> list[str] | None:
    """What its candidate lacks, None before there is one."""
    candidate = agent.machine("alpha")["candidate"]
    return candidate and candidate["lacks"]
