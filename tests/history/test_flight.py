"""The flight recorder on a real disk: what it gives back, what it drops, what alarms keep."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from agent_process import until
from memory_site import NAMES, FormulaModel, manifest

from edge_agent.config import schema
from edge_agent.core.gate import Gate
from edge_agent.core.permit import Conditions
from edge_agent.core.tags import Columns, Reason
from edge_agent.historian import Historian
from edge_agent.history import flight as module
from edge_agent.history import ring, track
from edge_agent.history.blocks import pack
from edge_agent.history.flight import FlightRecorder, Track, read_flight, thoughts
from edge_agent.machine import Machine, Wiring

pytestmark = pytest.mark.sockets
PERIOD = 0.1
SECOND = 10**9


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN", 0.01)


@contextmanager
def recorder(state: Path, size: int = 10**8, age: float = 1e6, floor: int = 0) -> Iterator[FlightRecorder]:
    opened = FlightRecorder(state, size, age, floor)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()


def track_of(recorder: FlightRecorder, n: int = 3) -> Track:
    return recorder.track({f"d.t{i}": i for i in range(n)}, [["m"]], PERIOD, "config")


def image(tick: int, n: int = 3) -> Columns:
    """An image with everything in it: a NaN of its own payload, a negative zero, noise."""
    value = np.random.default_rng(tick).normal(size=n)
    value[0] = np.array([0x7FF8_0000_0000_0000 + tick], np.uint64).view(np.float64)[0]
    value[1] = -0.0
    quality, reason = np.full(n, 2, np.uint8), np.zeros(n, np.uint8)
    quality[0], reason[0] = 0, Reason.TIMEOUT
    return Columns(value, quality, reason, np.full(n, tick * 7, np.int64))


def fly(track: Track, ticks: range, n: int = 3) -> None:
    for tick in ticks:
        track.cycle(tick, tick * int(PERIOD * SECOND), time.time_ns(), image(tick, n))
        track.thought(tick, "m", Reason.NONE)


def ticks(path: Path) -> list[int]:
    return [tick for block in read_flight(path) for tick in block.tick.tolist()]


def test_every_image_comes_back_bit_for_bit(tmp_path: Path) -> None:
    with recorder(tmp_path) as flight:
        fly(track_of(flight), range(1, 251))
    found = [thought for _, thought in thoughts(read_flight(tmp_path / "flight"))]
    assert [t.tick for t in found] == list(range(1, 251))
    for thought in found:
        was = image(thought.tick)
        assert thought.machines == ("m",)
        assert thought.now == thought.tick * int(PERIOD * SECOND)
        for name in ("value", "quality", "reason", "at"):
            assert getattr(thought.image, name).tobytes() == getattr(was, name).tobytes(), name
    assert flight.lost == 0


def test_only_the_tags_of_the_scan_are_kept_under_their_names(tmp_path: Path) -> None:
    with recorder(tmp_path) as flight:
        recording = flight.track({"d.late": 2, "d.first": 0}, [["m"]], PERIOD, "config")
        fly(recording, range(1, 4))
    (block,) = read_flight(tmp_path / "flight")
    assert block.layout.tags == ("d.late", "d.first")
    assert block.value[:, 0].tolist() == [image(tick).value[2] for tick in (1, 2, 3)]


def test_the_ring_drops_the_oldest_by_size(tmp_path: Path) -> None:
    with recorder(tmp_path, size=200_000) as flight:
        recording = track_of(flight, 50)
        for start in range(0, 10_000, 100):
            fly(recording, range(start, start + 100), 50)
            wait_for(recording)
    assert sum(p.stat().st_size for p in (tmp_path / "flight").iterdir()) <= 200_000
    kept = ticks(tmp_path / "flight")
    assert 100 < len(kept) < 9_000
    assert kept == list(range(10_000 - len(kept), 10_000))


def wait_for(recording: Track) -> None:
    until(lambda: not recording.full, "the block on the disk", 5)


def test_the_ring_drops_the_oldest_by_running_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SEGMENT", 20 * SECOND)
    with recorder(tmp_path, age=60) as flight:
        recording = track_of(flight)
        for start in range(0, 3000, 100):
            fly(recording, range(start, start + 100))
            wait_for(recording)
    kept = ticks(tmp_path / "flight")
    assert kept == list(range(3000 - len(kept), 3000))
    assert 600 <= len(kept) <= 1000


def test_an_alarm_keeps_the_time_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SEGMENT", 20 * SECOND)
    monkeypatch.setattr(module, "AFTER", 0.0)
    monkeypatch.setattr(ring, "BEFORE", 40 * SECOND)
    with recorder(tmp_path, age=60) as flight:
        recording = track_of(flight)
        for start in range(0, 6000, 100):
            fly(recording, range(start, start + 100))
            wait_for(recording)
            if start == 1000:
                flight.freeze()
                kept_files(tmp_path)
    kept = ticks(tmp_path / "flight")
    before_alarm = [tick for tick in kept if tick < 1000]
    assert len(before_alarm) >= 400
    assert before_alarm == list(range(1000 - len(before_alarm), 1000))
    assert 1300 not in kept, "what nobody froze has gone"
    assert 5999 in kept


def kept_files(state: Path) -> None:
    until(lambda: list((state / "flight").glob("*.kept.flight")), "frozen files", 5)


def test_frozen_files_are_bounded_and_go_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER", 0.0)
    with recorder(tmp_path, size=200_000) as flight:
        recording = track_of(flight, 50)
        for start in range(0, 10_000, 100):
            fly(recording, range(start, start + 100), 50)
            wait_for(recording)
            flight.freeze()
    files = list((tmp_path / "flight").iterdir())
    frozen = sum(p.stat().st_size for p in files if p.name.endswith(".kept.flight"))
    assert sum(p.stat().st_size for p in files) <= 200_000
    assert 0 < frozen <= 110_000
    assert 9_999 in ticks(tmp_path / "flight")


def test_it_goes_on_after_a_restart_and_after_a_torn_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for start in (0, 100):
        with recorder(tmp_path) as flight:
            fly(track_of(flight), range(start, start + 100))
        if start == 0:
            (file,) = (tmp_path / "flight").iterdir()
            with file.open("ab") as torn:
                torn.write(b"EAFB\x00\x10")
    assert ticks(tmp_path / "flight") == list(range(200))
    assert len(list((tmp_path / "flight").iterdir())) == 2


@pytest.mark.parametrize("place", range(20, 2000, 97))
def test_a_spoilt_byte_costs_its_block_and_is_told(
    place: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with recorder(tmp_path) as flight:
        recording = track_of(flight)
        for start in (0, 100):
            fly(recording, range(start, start + 100))
            recording.seal()
    (file,) = (tmp_path / "flight").iterdir()
    data = bytearray(file.read_bytes())
    data[place] ^= 0x40
    file.write_bytes(data)
    found = list(read_flight(file))
    assert [b.tick.tolist() for b in found] in ([], [list(range(100))], [list(range(100, 200))])
    assert len([r for r in caplog.records if str(file) in r.getMessage()]) == 1


def test_a_folder_that_is_none_costs_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state = tmp_path / "state"
    with recorder(state) as flight:
        recording = track_of(flight)
        fly(recording, range(101))
        wait_for(recording)
        until(lambda: flight.trouble, "trouble", 5)
        state.mkdir()
        fly(recording, range(101, 250))
        until(lambda: not flight.trouble, "an end of the trouble", 5)
    assert flight.lost == 100
    told = [f"{r.levelname} {r.getMessage()}" for r in caplog.records]
    assert len(told) == 2
    assert "No such file or directory; nothing is recorded" in told[0]
    assert "records again, 100 images were lost" in told[1]


def test_what_the_disk_cannot_follow_is_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "LONGEST_QUEUE", 2)
    flight = FlightRecorder(tmp_path, 10**8, 1e6, 0)
    recording = track_of(flight)
    fly(recording, range(501))
    assert flight.lost == 300
    flight.open()
    flight.close()
    assert ticks(tmp_path / "flight") == list(range(200)), "the first, and not the rest that came too late"


def test_below_the_floor_of_free_space_the_recording_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with recorder(tmp_path) as flight:
        fly(track_of(flight), range(100))
    with recorder(tmp_path, floor=2**62) as flight:
        fly(track_of(flight), range(100, 200))
    assert ticks(tmp_path / "flight") == []
    assert flight.lost == 100
    assert "no room" in caplog.text


def test_a_recording_has_every_tag_that_a_machine_looks_at(tmp_path: Path) -> None:
    """What `take` gets from the columns of a recording is what it got from the whole table."""
    looked_up: set[str] = set()

    class Rows(dict[str, int]):
        def __missing__(self, name: str) -> int:
            looked_up.add(name)
            return 0

    model = FormulaModel(manifest())
    machine = schema.Machine(
        name="m",
        bundle=model.bundle,
        inputs=[f"a.{name}" for name in NAMES],
        mode="active",
        result=None,
        alarm=schema.Alarms(acknowledge="a.seen", reset="a.reset"),
        permit=schema.Permits(
            permissive="a.may",
            heartbeat="a.beat",
            identity="a.who",
            conditions=Conditions(identity=7.0),
        ),
        gate=Gate(running="a.turns > 50"),
    )
    Machine(machine, model, Historian(tmp_path), Wiring(Rows()))  # type: ignore[arg-type]
    assert looked_up == set(machine.tags)


def test_a_recorder_that_is_stuck_is_told_and_one_that_waits_for_its_disk_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG", 0.2)
    freed = threading.Event()
    hanging, answer = os.pipe()
    with recorder(tmp_path) as flight:
        track = track_of(flight)
        history = Historian(tmp_path, flight=flight)
        with monkeypatch.context() as patched:
            patched.setattr(module.os, "fdatasync", lambda _: os.read(hanging, 1))
            fly(track, range(3))
            track.seal()
            until(lambda: flight.trouble == "the disk has not answered for 0.2 s", "the trouble")
            for _ in range(50):
                assert not flight.hung
            os.write(answer, b"1")
            until(lambda: not flight.trouble, "an end of the trouble")
        with monkeypatch.context() as patched:
            patched.setattr(module, "pack", lambda block: freed.wait() and pack(block))
            fly(track, range(3, 6))
            track.seal()
            until(lambda: history.hung == "flight recorder", "a stuck recorder")
            freed.set()
            until(lambda: history.hung == "", "progress")
    assert [block.tick.tolist() for block in read_flight(flight.folder)] == [[0, 1, 2], [3, 4, 5]]
    os.close(hanging)
    os.close(answer)
