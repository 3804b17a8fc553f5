"""What `doctor` says of a configuration: wear, how much is recorded, models in time, ports."""

import json
import os
import socket
from datetime import timedelta
from pathlib import Path

import dense_model
import msgspec
import pytest
from agent_process import INPUTS, small_bundle
from authority import NOW, crl, identity
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import device, machine

from edge_agent.cli import main
from edge_agent.config import Config, load
from edge_agent.config.fields import Size
from edge_agent.config.north import MqttTable
from edge_agent.config.tables import HistoryTable
from edge_agent.config.web import Web
from edge_agent.doctor import Grade, certificates, north, plant, wear
from edge_agent.inference.timing import Latency
from edge_agent.pki.folder import PkiFolder

pytestmark = pytest.mark.sockets
DAY = timedelta(days=1)


@pytest.fixture
def config(tmp_path: Path, dense_tflite: bytes) -> Path:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    (tmp_path / "state").mkdir(mode=0o700)
    path = tmp_path / "c.toml"
    text = '[agent]\nstate = "state"\n' + device("a", 502) + machine("alpha", "a", "a", "shadow")
    path.write_text(text, encoding="utf-8")
    return path


def test_a_configuration_adds_its_items(config: Path) -> None:
    ended = CliRunner().invoke(main, ["doctor", "--config", str(config), "--json"])
    found = {finding["item"]: finding for finding in json.loads(ended.stdout)}
    assert {"wear", "recording", "model", "fsync"} <= set(found)
    assert "small" in found["model"]["says"] or dense_model.MANIFEST.name in found["model"]["says"]
    assert "of 100 ms" in found["model"]["says"]
    assert found["recording"]["says"] == "7 days"
    assert not list((config.parent / "state").iterdir())


def test_the_broker_is_tried_where_there_is_one(tmp_path: Path) -> None:
    broker = Broker(tmp_path).start()
    table = MqttTable(host="127.0.0.1", group="plant", port=broker.port, tls=False)
    assert north.broker(table).grade is Grade.OK
    secured = north.broker(msgspec.structs.replace(table, tls=True))
    assert (secured.grade, "mqtt broker" in secured.item) == (Grade.BAD, True)
    lacking = north.broker(msgspec.structs.replace(table, tls=True, ca="nowhere"))
    assert (lacking.grade, "credential nowhere" in lacking.says) == (Grade.WARN, True)
    broker.kill()
    gone = north.broker(table)
    assert (gone.grade, "nobody listens" in gone.says) == (Grade.BAD, True)


class TestCertificates:
    @pytest.fixture
    def secured(self, tmp_path: Path) -> Config:
        (tmp_path / "state").mkdir()
        path = tmp_path / "c.toml"
        path.write_text(
            '[agent]\nstate = "state"\n[device.press]\ndriver = "opc-ua"\nurl = "opc.tcp://plc7:4840"\n'
            'tags = [{ name = "vib", node = "i=2258" }]\n'
        )
        return load(path)

    def grades(self, config: Config, *ends: timedelta) -> list[tuple[Grade, str]]:
        folder = PkiFolder(Path(config.state) / "pki")
        for number, end in enumerate(ends):
            hosts = ("plc7",) if number == 0 else ("other",)
            one = identity(
                f"plc{number}", hosts=hosts, uri=f"urn:{number}", start=NOW - 9 * DAY, end=NOW + end
            )
            folder.add("trusted/certs", one.der, f"{number}.der")
        return [(finding.grade, finding.says) for finding in certificates.look(config)]

    def test_nothing_is_made_to_look(self, secured: Config) -> None:
        assert certificates.look(secured) == []
        assert list(Path(secured.state).iterdir()) == []

    def test_ours_and_the_devices_with_the_days_that_are_left(self, secured: Config) -> None:
        PkiFolder(Path(secured.state) / "pki").own(NOW)
        over, soon, well, ours = self.grades(secured, -3 * DAY, 80 * DAY, 200 * DAY)
        assert (over[0], soon[0], well[0], ours[0]) == (Grade.BAD, Grade.WARN, Grade.OK, Grade.OK)
        assert over[1].startswith("device press: trusted plc0: until ")
        assert over[1].endswith(" days ago")
        assert soon[1].startswith("trusted plc1: until ")
        assert "79 days left" in soon[1]
        assert ours[1].startswith("ours edge-agent@")

    def test_a_list_that_is_over_is_looked_at_and_still_used(self, secured: Config) -> None:
        folder, works = PkiFolder(Path(secured.state) / "pki"), identity("works", ca=True)
        old = crl(works, fresh=-DAY).public_bytes(Encoding.DER)
        folder.add("issuers/crl", old, "works.crl")
        [(grade, says)] = self.grades(secured)
        assert grade is Grade.WARN
        assert "revocation list works: next update " in says

    def test_doctor_tells_them(self, secured: Config) -> None:
        self.grades(secured, -3 * DAY)
        words = ["doctor", "--config", str(Path(secured.state).with_name("c.toml"))]
        ended = CliRunner().invoke(main, words)
        assert ended.exit_code == 1
        assert "BAD   certificate  device press: trusted plc0: until " in ended.output
        assert "edge-agent pki trust CONFIG the new one" in ended.output


def with_history(config: Path, **changes: object) -> Config:
    loaded = load(config)
    return msgspec.structs.replace(loaded, history=msgspec.structs.replace(HistoryTable(), **changes))


def test_wear_counts_commits_results_and_samples(config: Path) -> None:
    loaded = load(config)
    assert wear.history(loaded) == pytest.approx(8300 + 10 * (280 + 28 * len(INPUTS)))
    assert wear.flight(loaded) == pytest.approx(10 * 2.2 * len(INPUTS))
    assert wear.flight(with_history(config, flight=Size(0))) == 0


@pytest.mark.parametrize(("size", "grade"), [(64e9, Grade.OK), (2e9, Grade.WARN), (5e8, Grade.BAD)])
def test_a_small_disk_wears_out_sooner(size: float, grade: Grade, config: Path) -> None:
    found = wear.wear(load(config), int(size))
    assert found.grade is grade
    assert ("flight = 0" in found.todo) == (grade is not Grade.OK)


def test_a_recording_that_does_not_fit_is_told(config: Path) -> None:
    found = wear.recording(with_history(config, flight=Size(5_000_000)))
    assert (found.grade, found.says) == (Grade.WARN, "about 0.66 of 7 days fit into 5 MB")
    assert wear.recording(with_history(config, flight=Size(0))).grade is Grade.OK


@pytest.mark.parametrize(
    ("text", "grade", "says"),
    [
        ("0x01 0x02\n", Grade.OK, "10 to 20 %"),
        ("0x09 0x01\n", Grade.WARN, "80 to 90 %"),
        ("0x01 0x0b\n", Grade.BAD, "over its life"),
        ("0x00 0x00\n", Grade.OK, "does not say"),
    ],
)
def test_an_emmc_says_how_worn_it_is(text: str, grade: Grade, says: str, tmp_path: Path) -> None:
    told = tmp_path / "mmcblk0" / "device" / "life_time"
    told.parent.mkdir(parents=True)
    told.write_text(text)
    (found,) = wear.lives(tmp_path)
    assert (found.item, found.grade) == ("mmcblk0", grade)
    assert says in found.says


@pytest.mark.parametrize(("p99", "grade"), [(4_000, Grade.OK), (50_000, Grade.WARN), (300_000, Grade.BAD)])
def test_a_model_has_to_answer_in_time(p99: float, grade: Grade) -> None:
    assert plant.in_time("m 1", Latency(p50=100.0, p99=p99, model=50.0), 0.1).grade is grade


def test_a_serial_port_that_is_not_there() -> None:
    assert plant.serial("/dev/ttyNONE").grade is Grade.BAD
    assert plant.serial("/dev/null").grade is Grade.OK


def test_the_serial_ports_of_a_configuration_are_looked_at(tmp_path: Path) -> None:
    row = '[{ name = "t", table = "holding", address = 0 }]'
    devices = [
        f'[device.{name}]\ndriver = "modbus-rtu"\nserial = "{port}"\ntags = {row}'
        for name, port in (("meter", "/dev/ttyNONE"), ("drive", "/dev/null"))
    ]
    (tmp_path / "c.toml").write_text("\n".join(devices))
    found = plant.look(load(tmp_path / "c.toml"), tmp_path)
    assert [(finding.item, finding.grade) for finding in found] == [
        ("serial port", Grade.OK),
        ("serial port", Grade.BAD),
    ]


def test_a_serial_port_that_is_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, who tests, may open all
    found = plant.serial("/dev/null")
    assert found.grade is Grade.BAD
    assert "dialout" in found.todo


def test_the_page_needs_its_port(tmp_path: Path) -> None:
    web = Web(
        host="127.0.0.1", port=free_port(), token="", certificate="", language="", hosts=[], loopback=True
    )
    assert plant.page(web, tmp_path).grade is Grade.OK
    with socket.create_server((web.host, web.port)):
        found = plant.page(web, tmp_path)
    assert found.grade is Grade.BAD
    assert "in use" in found.says
