"""What one gateway makes of what the broker gives it: late, damaged, missing, too much."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import small_bundle
from mosquitto import Broker
from one_gateway import OneGateway, one_gateway

from edge_agent import bundle
from edge_agent.bundles.store import Store, sequence_of
from edge_agent.fleet import gateway, orders, pieces
from edge_agent.fleet.documents import LARGEST_PACKET, Bundle
from edge_agent.fleet.pieces import PIECE, cut

pytestmark = pytest.mark.sockets
DATA = bytes(range(256)) * (PIECE // 256) + bytes(PIECE)
FILE, INDEX, PIECES = cut(DATA)
WANTED = Bundle(do="activate", name="pump", sequence=2, file=FILE)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path).start()
    yield started
    started.kill()


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
