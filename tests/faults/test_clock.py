"""The wall clock steps, or was never set. What runs by time goes on, and what is written down says so."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dense_model
import pytest
from agent_process import AgentProcess, Plc, until
from click.testing import CliRunner
from modbus_proxy import free_port
from mosquitto import Broker
from paho.mqtt import client as mqtt
from plc_line import ADVISORY, device, machine, start_plant
from pysparkplug._protobuf import Payload
from releases import keep, release
from wall_clock import WallClock

from edge_agent.cli import main
from edge_agent.core.manifest import Limits
from edge_agent.moment import boot_id, synchronised

pytestmark = [pytest.mark.sockets]

HOUR = 3600.0
BATTERY = 10 - time.time()
"""How far ahead a box is that has none, and was just switched on: it says 1970."""
STARTED = "select monotonic from event where text = 'started'"
COMMITTED = "select monotonic from event where text like 'committed 1%'"
ALWAYS = Limits(on=1e-9, off=1e-10)
SECURED = """
[device.scada]
driver = "opc-ua"
url = "opc.tcp://127.0.0.1:{port}"
security = "sign-and-encrypt"
scan = "100ms"
tags = [{{name = "level", node = "ns=2;s=level"}}]
"""


def asked(config: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(config.parent / "state/history.db")) as history:
        return history.execute(sql).fetchall()


def edge_agent(*arguments: object) -> None:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def plc() -> Iterator[Plc]:
    with start_plant(free_port()) as plant:
        yield Plc(plant.modbus_port)


class Screen:
    """Hears results over MQTT for the length of a with block: their times, in seconds since 1970."""

    def __init__(self, broker: Broker) -> None:
        self.times: list[float] = []
        self._port = broker.port
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self.times.append(
            Payload.FromString(message.payload).timestamp / 1000
        )
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/plant/DDATA/#")

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def stepped(plc: Plc, dense_tflite: bytes, tmp_path: Path) -> Path:
    """A machine that is always in alarm, its bundle on trial for some seconds, and a broker."""
    config = tmp_path / "c.toml"
    keep(tmp_path / "state", release(tmp_path, dense_tflite, 1, outputs=dense_model.limited(ALWAYS)))
    edge_agent("bundle", "activate", "pump@1", "--state", tmp_path / "state")
    text = '[agent]\nname = "gw"\nstate = "state"\ntrial = "6s"\n' + device("a", plc.port)
    text += machine("alpha", "a", "a").replace('"small.bundle"', '"pump"')
    config.write_text(text, encoding="utf-8")
    return config


def test_steps_of_hours_harm_no_cycle_no_timer_and_no_order(
    plc: Plc, stepped: Path, broker: Broker, tmp_path: Path
) -> None:
    clock = WallClock(tmp_path)
    table = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ngroup = "plant"\ntls = false\n'
    stepped.write_text(stepped.read_text() + table)
    with Screen(broker) as screen, AgentProcess(stepped, clock.environment) as agent:
        until(lambda: plc.frame().state == ADVISORY and screen.times, "results in the PLC and on the screen")
        edge_agent("alarms", stepped, "shelve", "alpha", "wear", "6s")
        for step in (3 * HOUR, -3 * HOUR, BATTERY, 0):
            heard, before = len(screen.times), plc.frame().sequence
            clock.step(step)
            until(lambda b=before: (plc.frame().sequence - b) & 0xFFFF >= 10, f"results after {step}")
            until(lambda h=heard: len(screen.times) > h + 1, f"results on the screen after {step}")
        until(lambda: len(asked(stepped, "select 1 from alarm")) >= 3, "the end of the shelving")
        until(lambda: asked(stepped, COMMITTED), "the commit")
        assert agent.terminate() == 0, "\n".join(agent.lines)
        assert not [line for line in agent.lines if "no results" in line or "ERROR" in line]
    the_rows_tell_of_the_steps(stepped)
    shelved, back = asked(stepped, "select monotonic, alarm from alarm order by id")[1:3]
    assert (shelved[1], back[1]) == ("SHELVED", "ACKNOWLEDGED")
    # A row has the time of its writing, some milliseconds after the judgement it tells of.
    assert 5.9 <= (back[0] - shelved[0]) / 1e9 < 20.0
    (started,), (committed,) = asked(stepped, STARTED), asked(stepped, COMMITTED)
    assert committed[0] - started[0] >= 5.9e9
    assert max(screen.times) - time.time() > 2 * HOUR
    assert min(screen.times) < 24 * HOUR
    assert abs(screen.times[-1] - time.time()) < 60


def the_rows_tell_of_the_steps(config: Path) -> None:
    """Which boot, true distances, what the wall said, and whether it was to be believed."""
    assert asked(config, "select boot from boot") == [(boot_id(),)]
    results = asked(config, "select monotonic, time, boot, synchronised from result order by id")
    assert {(boot, right) for _, _, boot, right in results} == {(1, synchronised()[0])}
    distances = [(b[0] - a[0]) / 1e9 for a, b in pairwise(results)]
    assert all(0 < distance < 3 for distance in distances), max(distances)
    ahead = [
        round((wall - monotonic / 1e9 - time.time() + time.monotonic()) / 60)
        for monotonic, wall, *_ in results
    ]
    levels = [ahead[0], *(b for a, b in pairwise(ahead) if a != b)]
    assert levels[:3] + levels[4:] == [0, 180, -180, 0]
    assert levels[3] * 60 < -50 * 365 * 24 * HOUR


def test_without_a_clock_it_runs_and_says_what_it_cannot_do(plc: Plc, stepped: Path, tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    clock.step(BATTERY)
    stepped.write_text(stepped.read_text() + SECURED.format(port=free_port()))
    with AgentProcess(stepped, clock.environment) as agent:
        until(lambda: plc.frame().state == ADVISORY, "results")
        said = "our own certificate: the clock of this box says 1970-01-01; set it"
        until(lambda: any(said in line for line in agent.lines), "why there is no certificate")
        clock.step(0)
        since = plc.frame().sequence
        until(lambda: (plc.frame().sequence - since) & 0xFFFF >= 15, "results with a clock")
        assert agent.terminate() == 0, "\n".join(agent.lines)
    walls = [wall for (wall,) in asked(stepped, "select time from result order by id")]
    assert walls[0] < 24 * HOUR
    assert abs(walls[-1] - time.time()) < 60
    assert not [*(tmp_path / "state/pki/own/certs").iterdir()]
