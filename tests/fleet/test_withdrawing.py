"""What the broker keeps of files, for whom and how long; and what is taken off."""

import time
from pathlib import Path

import msgspec
import pytest
from mosquitto import Broker
from one_gateway import OneGateway, one_gateway

from edge_agent.fleet.documents import Bundle, File, Progress, Reported, Stage
from edge_agent.fleet.office import FILES_KEPT, Kept
from edge_agent.fleet.pieces import PIECE
from edge_agent.fleet.withdrawing import UNDER_WAY, forget, held, tidy, withdraw

pytestmark = pytest.mark.sockets
DATA = bytes(2 * PIECE)


def pump(file: File) -> Bundle:
    return Bundle(do="activate", name="pump", sequence=2, file=file)


async def reports(one: OneGateway, gateway: str, number: int, stage: Stage) -> None:
    """A gateway says how far it is, and the office hears it."""
    orders = {"bundle/pump": Progress(number=number, stage=stage)}
    told = Reported(gateway=gateway, group="hall", version="1", time=time.time(), orders=orders)
    await one.keep(msgspec.json.encode(told), "reported", gateway)
    while one.office.reports.get(gateway) != told:
        await one.office.news()


async def test_files_that_nobody_needs_are_taken_off_the_broker(broker: Broker, tmp_path: Path) -> None:
    async with one_gateway(tmp_path, broker.port) as one:
        wanted, left = await one.office.publish(DATA), await one.office.publish(DATA[:-1])
        await one.keep(b"nonsense", "file", "ab", "index")
        await one.office.order(["gw7"], pump(wanted), one.key)
        assert await withdraw(one.office, ["cd"]) == ["cd: the broker has no such file"]
        said = await withdraw(one.office, [])
        (needed,) = [line for line in said if line.startswith("activate pump@2, 0.3 MB: kept until 2")]
        assert needed.endswith(" for 1 gateway: gw7")
        said.remove(needed)
        assert sorted(said) == sorted(
            [
                f"{left.sha256}: withdrawn, 0.3 MB",
                "ab: kept, because it is no index document: JSON is malformed: invalid character (byte 4)",
            ]
        )
        there = await one.office.kept("file", "#")
        assert {where.split("/")[-2] for where in there} == {wanted.sha256, "ab"}
        assert len(there) == 4
        assert await forget(one.office, ["gw7"]) == ["gw7: 1 orders and its report are cleared"]
        assert await one.office.kept("desired", "#") == {}
        assert "withdrawn" in (await withdraw(one.office, [wanted.sha256]))[0]


@pytest.mark.parametrize(
    ("stage", "needed"),
    [
        ("fetching", True),
        ("installing", True),
        ("waiting", True),
        ("trial", False),
        ("candidate", False),
        ("done", False),
        ("refused", False),
        ("rolled back", False),
    ],
)
async def test_a_gateway_needs_a_file_until_it_has_it_or_will_not_take_it(
    stage: Stage, needed: bool, broker: Broker, tmp_path: Path
) -> None:
    async with one_gateway(tmp_path, broker.port) as one:
        wanted = await one.office.publish(DATA)
        number = await one.office.order(["gw7", "gw8"], pump(wanted), one.key)
        await reports(one, "gw8", number, "done")
        await reports(one, "gw7", number - 1, stage)
        assert [file.needed for file in await held(one.office)] == [["gw7"]], "it speaks of another order"
        await reports(one, "gw7", number, stage)
        assert [file.needed for file in await held(one.office)] == [["gw7"] * needed]


async def test_after_a_rollout_its_file_is_taken_off_and_so_is_what_is_left_of_others(
    broker: Broker, tmp_path: Path
) -> None:
    began = time.monotonic()
    async with one_gateway(tmp_path, broker.port) as one:
        own, fresh, old = [await one.office.publish(DATA[:-size]) for size in (1, 2, 3)]
        for sha256, index in [(where.split("/")[-2], k) for where, k in (await kept(one)).items()]:
            assert FILES_KEPT - 60 < index.left <= FILES_KEPT
            if sha256 == old.sha256:
                seconds = FILES_KEPT - UNDER_WAY - 60
                await one.office._keep(index.payload, "file", sha256, "index", seconds=seconds)
        number = await one.office.order(["gw7"], pump(own), one.key)
        said = await tidy(one.office, own.sha256, began)
        assert f"{old.sha256}: withdrawn, 0.3 MB" in said, "brought long ago, needed by nobody"
        assert "for 1 gateway: gw7" in " ".join(said), "its own is needed"
        await reports(one, "gw7", number, "done")
        said = await tidy(one.office, own.sha256, began - 60)
        assert "needed by nobody" in said[0], "another desk has just brought it again"
        assert await tidy(one.office, own.sha256, began) == ["activate pump@2: withdrawn, 0.3 MB"]
        assert {where.split("/")[-2] for where in await kept(one)} == {fresh.sha256}


async def kept(one: OneGateway) -> dict[str, Kept]:
    return await one.office.kept("file", "+", "index")


async def test_the_broker_drops_a_file_that_nobody_came_for(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.fleet.office.FILES_KEPT", 1.0)
    async with one_gateway(tmp_path, broker.port) as one:
        wanted = await one.office.publish(DATA)
        await one.office.order(["gw7"], pump(wanted), one.key)
        while await one.office.kept("file", "#"):
            pass
        assert await one.office.kept("desired", "#"), "the order stays"
