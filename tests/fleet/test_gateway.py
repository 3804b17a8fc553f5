"""What one gateway makes of what the broker gives it: late, damaged, missing, too much."""

import asyncio
import fcntl
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from agent_process import small_bundle
from mosquitto import Broker
from one_gateway import OneGateway, one_gateway
from plc_line import device

from edge_agent import bundle
from edge_agent.bundles.store import Store, sequence_of
from edge_agent.config.north import FleetTable, MqttTable
from edge_agent.configurations import Configurations, Document
from edge_agent.core.comparison import Promotion, Tally
from edge_agent.fleet import gateway, orders, pieces, reporting
from edge_agent.fleet.commanding import in_time
from edge_agent.fleet.commands import BadCommand, command_of
from edge_agent.fleet.documents import (
    LARGEST_PACKET,
    Bundle,
    Command,
    CommandName,
    Configuration,
    Reported,
    Shown,
)
from edge_agent.fleet.office import Office
from edge_agent.fleet.operator import Failed
from edge_agent.fleet.orders import Orders
from edge_agent.fleet.pieces import PIECE, cut
from edge_agent.fleet.saying import lines

pytestmark = pytest.mark.sockets
DATA = bytes(range(256)) * (PIECE // 256) + bytes(PIECE)
FILE, INDEX, PIECES = cut(DATA)
WANTED = Bundle(do="activate", name="pump", sequence=2, file=FILE)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "SETTLE", 0.1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_DEADLINE", 0.5)
    monkeypatch.setattr(orders, "AGAIN", 0.1)
    monkeypatch.setattr(gateway, "LOOK", 0.1)
    monkeypatch.setattr(orders, "TRIES", 2)


async def put(one: OneGateway, index: bytes, *there: bytes) -> None:
    for number, piece in enumerate(there):
        await one.keep(piece, "file", FILE.sha256, number)
    await one.keep(index, "file", FILE.sha256, "index")


@pytest.mark.parametrize(
    ("index", "there", "said"),
    [
        (INDEX, (PIECES[0], PIECES[1][:-1] + b"x"), "piece 1 of 2 is not the one that was signed for"),
        (INDEX, (PIECES[1], PIECES[0]), "piece 0 of 2 is not the one that was signed for"),
        (cut(DATA[:-1])[1], PIECES, "the index is not the one that was signed for"),
        (b"[]", PIECES, "the index is not the one that was signed for"),
        (INDEX, (PIECES[0],), f"/1 of at most {LARGEST_PACKET} bytes; tried 2 times"),
        (INDEX, (PIECES[0], bytes(LARGEST_PACKET)), f"/1 of at most {LARGEST_PACKET} bytes; tried 2 times"),
        (bytes(50 * LARGEST_PACKET), PIECES, f"/index of at most {LARGEST_PACKET} bytes; tried 2 times"),
    ],
    ids=["changed", "swapped", "other-index", "no-index", "missing", "oversized", "huge"],
)
@pytest.mark.usefixtures("impatient")
async def test_what_is_not_as_it_was_signed_is_refused_and_leaves_nothing(
    index: bytes, there: tuple[bytes, ...], said: str, broker: Broker, tmp_path: Path
) -> None:
    async with one_gateway(tmp_path, broker.port) as one:
        await put(one, index, *there)
        progress = await one.order(WANTED)
        assert progress.stage == "refused"
        assert progress.detail.endswith(said)
        assert [path.name for path in one.state.iterdir()] == ["fleet.json"]


@pytest.mark.usefixtures("impatient")
async def test_what_takes_too_long_is_tried_again(
    dense_tflite: bytes, broker: Broker, tmp_path: Path
) -> None:
    """Here because somebody else changes the store; a canary on a busy box ends in the same way."""
    path = tmp_path / "pump.bundle"
    small_bundle(path, dense_tflite, name="pump", sequence=2)
    data = bundle.load(path)
    store = Store(tmp_path / "state", "pump")
    store.install(data, bundle.decode(data, path), "office", "test")
    wanted = Bundle(do="activate", name="pump", sequence=2, file=cut(data)[0])
    async with one_gateway(tmp_path, broker.port) as one:
        held = os.open(store.folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            await one.office.order(["gw1"], wanted, one.key)
            waiting = await one.until("bundle/pump", "waiting")
            assert "another process is changing this store; try again; try 2 of 2 in" in waiting.detail
        finally:
            os.close(held)
        await one.until("bundle/pump", "trial")
    assert sequence_of(store.read().active) == 2


@pytest.mark.usefixtures("impatient")
async def test_a_configuration_waits_for_the_end_of_another_ones_trial(
    broker: Broker, tmp_path: Path
) -> None:
    """What is gone back to has shown itself healthy, or is the gateway's own."""
    store = Configurations(tmp_path / "state")
    folder = store.keep(Document(sequence=3, files={"config.toml": b""}), "ab" * 32)
    with store.changing() as record:
        record.activate(folder.name)
    async with one_gateway(tmp_path, broker.port) as one:
        refused = await one.order(Configuration(sequence=4, file=FILE))
        assert refused.detail == "configuration 3 is still on trial; tried 2 times"


async def test_the_office_hears_more_gateways_than_wait_in_a_queue(broker: Broker, tmp_path: Path) -> None:
    async with one_gateway(tmp_path, broker.port) as one:
        for number in range(300):
            report = Reported(gateway=f"g{number}", group="hall", version="1", time=0.0)
            await one.keep(msgspec.json.encode(report), "reported", report.gateway)
        await one.keep(b"{}", "reported", "odd")
        async with Office.connected(one.mqtt) as desk:
            assert len(desk.reports) == 301
            assert desk.unread["odd"].startswith("it is no reported document: ")


async def test_a_command_that_has_expired_is_not_carried_out(broker: Broker, tmp_path: Path) -> None:
    now = time.time()
    async with one_gateway(tmp_path, broker.port) as one:
        late = await one.order(Command(do="stop-writing", expires=now - 60))
        assert late.stage == "refused"
        assert late.detail.startswith("it expired 6")
        assert not (one.state / "STOP").exists()
        done = await one.order(Command(do="stop-writing", expires=now + 60))
        assert done.stage == "done"
        assert (one.state / "STOP").exists()


async def test_what_a_candidate_shows_is_told_every_few_minutes_of_the_machines_there_are_now(
    dense_tflite: bytes, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "LOOK", 0.05)
    monkeypatch.setattr(reporting, "BESIDE", 0.2)
    path = tmp_path / "pump.bundle"
    store = Store(tmp_path / "state", "pump")
    for sequence in (1, 2):
        small_bundle(path, dense_tflite, name="pump", sequence=sequence)
        data = bundle.load(path)
        made = bundle.decode(data, path)
        file = store.install(data, made, "office", "test")
        with store.changing() as record:
            record.active, record.candidate = record.candidate, file
    tally = Tally(active="a", candidate="c", cycles=7)
    candidate = SimpleNamespace(bundle=made, tally=tally, wanted=Promotion(cycles=10))
    async with one_gateway(tmp_path, broker.port) as one:
        assert await shown(one, "pump") == {}
        one.parts.machines = [SimpleNamespace(name="alpha", stored="pump", candidate=candidate)]
        assert (await until_shown(one, "alpha")).lacks == ["7 of 10 cycles"]
        assert not one.office.reports["gw1"].bundles["pump"].promotable
        tally.cycles, one.parts.machines[0].name = 10, "beta"
        assert (await until_shown(one, "beta")).lacks == []
        assert one.office.reports["gw1"].bundles["pump"].promotable
        assert list(lines(one.office.reports["gw1"], time.time()))[1].endswith("; lacks nothing")


async def test_a_promotion_is_refused_by_a_gateway_that_does_not_find_it_due(
    dense_tflite: bytes, broker: Broker, tmp_path: Path
) -> None:
    """Whatever the office was told: reports are not signed."""
    path = tmp_path / "pump.bundle"
    small_bundle(path, dense_tflite, name="pump", sequence=2)
    data = bundle.load(path)
    promoted = Bundle(do="promote", name="pump", sequence=2, file=cut(data)[0])
    async with one_gateway(tmp_path, broker.port) as one:
        refused = await one.order(promoted)
        assert "no bundle is installed under this name" in refused.detail
        store = Store(tmp_path / "state", "pump")
        file = store.install(data, bundle.decode(data, path), "office", "test")
        refused = await one.order(promoted)
        assert (refused.stage, refused.detail) == ("refused", "pump@2 is not the candidate here")
        with store.changing() as record:
            record.candidate = file
        with (tmp_path / "config.toml").open("a") as config:
            config.write(device("a", 1))
        other = msgspec.structs.replace(promoted, file=FILE)
        assert (await one.order(other)).detail == "pump@2 is not the candidate here", "another file"
        refused = await one.order(promoted)
        assert refused.stage == "refused"
        assert "pump: not promoted: " in refused.detail
        assert not store.read().active
        with store.changing() as record:
            record.activate(file)
        assert (await one.order(promoted, 3)).stage == "trial", "it is active already"


async def until_shown(one: OneGateway, machine: str) -> Shown:
    """Wait until it tells of a machine."""
    async with asyncio.timeout(30):
        while machine not in (found := await shown(one, "pump")):
            await one.office.news()
    return found[machine]


async def shown(one: OneGateway, name: str) -> dict[str, Shown]:
    async with asyncio.timeout(30):
        while "gw1" not in one.office.reports:
            await one.office.news()
    return one.office.reports["gw1"].bundles[name].shown


def test_a_report_is_due_hourly_and_with_a_candidate_every_few_minutes_not_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now)
    machine = SimpleNamespace(candidate=None, name="alpha", stored="")
    parts: Any = SimpleNamespace(machines=[machine], config=SimpleNamespace(remote=0))
    mqtt, fleet = MqttTable(host="b", group="plant", node="gw1"), FleetTable(group="hall")
    releases: Any = None
    client = SimpleNamespace(publish=lambda *_, **__: asyncio.sleep(0))

    def waits(candidate: object) -> list[float]:
        nonlocal now
        machine.candidate = candidate
        found = []
        for _ in range(50):
            asyncio.run(told.send(client, Orders(tmp_path)))  # type: ignore[arg-type]
            began = now
            while not told.due:
                now += 1.0
            found.append(now - began)
        return found

    told = reporting.Reporting(mqtt, fleet, tmp_path, lambda: parts, releases)
    for candidate, longest in ((None, 3600), (object(), 300)):
        found = waits(candidate)
        assert longest / 2 <= min(found) < max(found) <= longest + 1
        assert len(set(found)) > 20


def test_a_clock_that_is_behind_knows_of_no_command_whether_it_has_expired() -> None:
    with pytest.raises(Failed, match="this gateway's clock is 3600 s behind the office's"):
        in_time(told=10_000.0, expires=10_900.0, now=6_400.0)
    in_time(told=10_000.0, expires=10_900.0, now=9_900.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rollback", "pump", ""), "rollback NAME@SEQUENCE"),
        (("activate", "pump@x", ""), "activate NAME@SEQUENCE"),
        (("acknowledge", "", ""), "the machine is missing"),
        (("acknowledge", "a/b", ""), "'a/b' cannot be the name"),
        (("stop-writing", "alpha", ""), "leave out the name"),
    ],
)
def test_words_that_are_no_command_are_told(words: tuple[CommandName, str, str], said: str) -> None:
    with pytest.raises(BadCommand, match=said):
        command_of(*words, 0.0)


async def test_files_that_are_damaged_on_the_disk_are_told_and_end_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    for name in ("fleet.json", "bundles/pump/store.json", "configurations/store.json"):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(b"\0" * 100)
    async with one_gateway(tmp_path, broker.port) as one:
        done = await one.order(Command(do="stop-writing", expires=time.time() + 60))
        assert done.stage == "done"
        assert "store.json: damaged" in one.office.reports["gw1"].bundles["pump"].verdict
        refused = await one.order(Command(do="rollback", target="pump", sequence=2, expires=time.time() + 60))
        assert "store.json: damaged" in refused.detail
        refused = await one.order(Configuration(sequence=1, file=FILE))
        assert "store.json: damaged" in refused.detail


async def test_a_file_that_is_no_configuration_is_refused(broker: Broker, tmp_path: Path) -> None:
    async with one_gateway(tmp_path, broker.port) as one:
        await put(one, INDEX, *PIECES)
        refused = await one.order(Configuration(sequence=1, file=FILE))
        assert refused.detail.startswith("it is no configuration: ")
        assert [path.name for path in one.state.iterdir()] == ["fleet.json"]
