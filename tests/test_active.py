"""Mode active, in virtual time: outputs follow the score while the PLC permits, and only then."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from memory_driver import tag
from memory_site import FormulaModel, Site, frames, manifest, site

from edge_agent.config.schema import Follow, Permits
from edge_agent.core.manifest import Envelope, Limits
from edge_agent.core.permit import Conditions, Denied
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Quality, Reason
from edge_agent.core.writeback import Output, Rule
from edge_agent.device import Written
from edge_agent.following import Follower, Following
from edge_agent.machine import Machine

LIMIT = "b.speed_limit"
PERMIT = Permits(
    permissive="a.flow", heartbeat="a.head", identity="", conditions=Conditions(heartbeat=1.0, cycles=5)
)


class Audit:
    """A historian at once and in memory; `full` is a disk that takes nothing."""

    def __init__(self) -> None:
        self.entries = []
        self.full = self.unaudited = False

    async def audit(self, entry) -> bool:
        self.unaudited = self.full
        if not self.full:
            self.entries.append(entry)
        return not self.full

    async def alarm(self, machine, verdict) -> None: ...

    def result(self, *row) -> None: ...

    def event(self, *row) -> None: ...


class Active:
    """A machine in mode active whose PLC `a` beats, and whose output is in `b`."""

    def __init__(self, s: Site, envelope=None, outside="inhibit", **rule) -> None:
        self.s, self.score, self.stopped, self.beats = s, 0.1, False, True
        made = manifest(envelope=envelope)
        output = msgspec.structs.replace(made.outputs[0], limits=Limits(on=0.8, off=0.6))
        self.model = FormulaModel(msgspec.structs.replace(made, outputs=[output]))
        self.model.answer = lambda rows: np.full((len(rows), 1), self.score)
        self.audit = Audit()
        rules = Rule(**{"low": 0, "high": 1500, "fallback": 1450, **rule})
        target = msgspec.structs.replace(tag(LIMIT), low=0, high=1500)
        follow = Follow(
            device="b", tag=target, rule=rules, follows="alarm", raised=900, normal=1450, whole=True
        )
        s.drivers["b"].values[LIMIT] = 1450.0
        follower = Follower(follow, Output(rules), s.devices["b"].declare([target]))
        following = Following("m", [follower], self.audit, "model", "config")
        self.machine: Machine = s.machine(
            *("m", "a", "b", self.model),
            mode="active",
            outside=outside,
            permit=PERMIT,
            following=following,
            stopped=lambda: self.stopped,
            historian=self.audit,
        )

    async def beat(self) -> None:
        plc = self.s.drivers["a"].values
        while True:
            await asyncio.sleep(0.1)
            plc["a.head"] = (plc.get("a.head", 0) + self.beats) % 100

    @property
    def writes(self) -> list[float]:
        return [values[LIMIT] for _, values in self.s.drivers["b"].writes if LIMIT in values]

    def state(self) -> State:
        return State(int(frames(self.s.drivers["b"], "m")[-1][1]["state"]))


def now_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)


@contextlib.asynccontextmanager
async def active(**rule) -> AsyncIterator[Active]:
    async with site("ab") as s:
        one = Active(s, **rule)
        s.drivers["a"].values["a.flow"] = 1.0
        s.start()
        beating = s.spawner.create_task(one.beat())
        running = s.spawner.create_task(s.scan.run())
        await asyncio.sleep(2.55)
        yield one
        s.scan.stop()
        await running
        beating.cancel()


async def test_it_follows_the_alarm_and_each_write_is_audited_before():
    async with active() as one:
        assert one.state() is State.ACTIVE
        assert one.writes == [], "taking over changes nothing"
        one.score = 0.9
        await asyncio.sleep(0.5)
        assert one.writes == [900]
        one.score = 0.1
        await asyncio.sleep(0.5)
        assert one.writes == [900, 1450]
        assert [(e.old, e.new, e.why) for e in one.audit.entries] == [
            (1450, 900, "alarm"),
            (900, 1450, "alarm"),
        ]


async def test_without_the_audit_on_the_disk_nothing_is_written():
    async with active() as one:
        one.audit.full, one.score = True, 0.9
        await asyncio.sleep(1)
        assert one.writes == []
        assert (one.state(), one.machine.denied) == (State.READY, Denied.NOT_AUDITED)
        one.audit.full = False
        await asyncio.sleep(0.5)
        assert one.writes == [900]
        assert (one.state(), one.machine.denied) == (State.ACTIVE, Denied.NOTHING)


@pytest.mark.parametrize(
    ("what", "denied"),
    [
        ("permissive", Denied.PERMISSIVE),
        ("heartbeat", Denied.PLC_HEARTBEAT),
    ],
)
async def test_where_the_plc_does_not_permit_the_value_is_its_own(what, denied):
    async with active() as one:
        one.score = 0.9
        await asyncio.sleep(0.5)
        if what == "permissive":
            one.s.drivers["a"].values["a.flow"] = 0.0
        else:
            one.beats = False
        await asyncio.sleep(1.5)
        assert one.machine.denied is denied
        assert one.state() is State.READY
        one.s.drivers["b"].values[LIMIT] = 1200.0  # the PLC's own
        one.score = 0.1
        await asyncio.sleep(1)
        assert one.writes == [900]
        one.s.drivers["a"].values["a.flow"], one.beats = 1.0, True
        await asyncio.sleep(2)
        assert one.writes == [900, 1450]
        assert one.audit.entries[-1].old == 1200, "it starts from the PLC's value"


async def test_without_a_result_the_fallback_is_written_once():
    async with active(fallback=1000) as one:
        one.score = 0.9
        await asyncio.sleep(0.5)
        one.model.answer = lambda rows: Reason.MODEL_DOWN
        await asyncio.sleep(1)
        assert one.writes == [900, 1000]
        assert one.state() is State.FAULT


async def test_at_an_orderly_stop_the_fallback_is_written_and_nothing_follows_any_more():
    async with active(fallback=1000) as one:
        one.score = 0.9
        await asyncio.sleep(0.5)
        await one.machine.fall_back(now_ns())
        await one.machine.stop(now_ns())
        await one.machine.finish(now_ns())
        assert one.writes == [900, 1000]
        assert one.audit.entries[-1].why == "fallback, NO_RESULT, STOPPED"
        assert one.state() is State.OFF


@pytest.mark.parametrize("what", ["the PLC does not permit", "all writing is stopped", "latched off"])
async def test_at_an_orderly_stop_the_value_is_the_plcs_where_it_was(what):
    async with active(fallback=1000) as one:
        one.score = 0.9
        await asyncio.sleep(0.5)
        if what == "the PLC does not permit":
            one.machine.denied = Denied.PERMISSIVE  # as of this very cycle, whose writes were skipped
        one.stopped = what == "all writing is stopped"
        if what == "latched off":
            one.machine.publisher.latch.closed = True
        await one.machine.fall_back(now_ns())
        assert one.writes == [900]


async def test_a_stop_ends_all_writing_within_one_cycle():
    async with active() as one:
        one.score, one.stopped = 0.9, True
        sent = len(one.s.drivers["b"].writes)
        await asyncio.sleep(1)
        assert len(one.s.drivers["b"].writes) == sent
        one.stopped = False
        await asyncio.sleep(1)
        assert one.writes == [900]


async def test_something_else_that_writes_there_latches_writing_off():
    async with active() as one:
        one.s.drivers["b"].tamper = {LIMIT: 77.0}
        one.score = 0.9
        await asyncio.sleep(1)
        assert one.machine.latched
        sent = len(one.s.drivers["b"].writes)
        await asyncio.sleep(1)
        assert len(one.s.drivers["b"].writes) == sent
        assert "read back different" in one.audit.entries[-1].what_came


async def test_in_shadow_and_advisory_no_output_is_ever_written():
    for mode in ("shadow", "advisory"):
        async with site("ab") as s:
            one = Active(s)
            one.machine.mode = mode
            one.machine.settle()
            config = msgspec.structs.replace(one.machine._config, mode=mode)
            machine = Machine(config, one.model, s.historian, s.wirings[-1])
            assert machine._following is None
            assert (machine.publisher.outputs is None) == (mode == "shadow")


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_goes_wrong_on_the_wire_the_bounds_hold(seed, cycles):
    """Random faults: late, lost, refused, reset, changed by others, read back wrong."""
    dice = random.Random(seed)
    rule = {"step": 200, "interval": 1.0, "per_hour": 120, "deadband": 5}
    async with active(**rule) as one:
        for _ in range(cycles // 50):
            await asyncio.sleep(dice.uniform(1, 9))
            b, a = one.s.drivers["b"], one.s.drivers["a"]
            b.absent = b.silent = b.refuses = a.absent = a.silent = False
            b.delay = a.delay = 0.0
            b.tamper = {}
            fault = dice.choice(
                ("absent", "silent", "refuses", "late", "others", "permissive", "model", "beat")
            )
            one.score = dice.choice((0.1, 0.7, 0.9, 0.95))
            a.values["a.flow"], one.beats = 1.0, True
            one.model.answer = lambda rows: np.full((len(rows), 1), one.score)
            if fault in ("absent", "silent", "refuses"):
                setattr(dice.choice((a, b)), fault, True)
            elif fault == "late":
                dice.choice((a, b)).delay = dice.uniform(0, 0.6)
            elif fault == "others":
                b.values[LIMIT] = float(dice.randint(0, 1500))
            elif fault == "permissive":
                a.values["a.flow"] = 0.0
            elif fault == "model":
                one.model.answer = lambda rows: Reason.MODEL_LATE
            else:
                one.beats = False
        writes = [(at, values[LIMIT]) for at, values in one.s.drivers["b"].writes if LIMIT in values]
        assert len(writes) > 20
        assert len(writes) <= len(one.audit.entries)
        allowed = [e for e in one.audit.entries if not e.what_came]
        audited = iter(e.new for e in allowed)
        assert all(value in audited for _, value in writes), "each write follows its own row"
        for _, value in writes:
            assert 0 <= value <= 1500
        for entry in allowed:
            assert entry.why.startswith("fallback") or abs(entry.new - entry.old) <= 200
        times = [at for at, _ in writes]
        assert all(sum(t <= at < t + 3600 for at in times) <= 120 for t in times)
        declared = {LIMIT} | {f"b.m.{name}" for name in frames_fields()}
        assert {name for _, values in one.s.drivers["b"].writes for name in values} <= declared
        assert one.s.drivers["a"].writes == []
        assert one.machine.written[Written.VERIFIED] > 0


def frames_fields() -> list[str]:
    from memory_site import OUTPUT_NAMES

    return OUTPUT_NAMES


def test_the_historys_audit_shows_what_was_changed(tmp_path: Path) -> None:
    import sqlite3

    from edge_agent.historian import Historian
    from edge_agent.history.audit import Entry, verify

    historian = Historian(tmp_path)
    historian.open()
    entry = Entry(machine="m", output="o", old=1.0, new=2.0, why="alarm", model="a", config="b")

    async def keep() -> None:
        for i in range(5):
            assert await historian.audit(msgspec.structs.replace(entry, new=float(i)))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(keep())
    loop.close()
    historian.close()
    assert verify(historian.path) == []
    for statement, told in (
        ("UPDATE audit SET entry = replace(entry, '2.0', '9.0') WHERE id = 3", "row 3 was changed"),
        ("DELETE FROM audit WHERE id = 3", "rows 3 to 3 are missing"),
        ("DELETE FROM audit WHERE id = 5", "the last rows, up to 5, are missing"),
    ):
        copy = tmp_path / "copy.db"
        copy.write_bytes(historian.path.read_bytes())
        with sqlite3.connect(copy) as connection:
            connection.execute(statement)
        connection.close()
        assert told in " ".join(verify(copy))


ENVELOPE = Envelope(low=[0, 0, 0, 0], high=[9, 200, 60, 80], rate=[None] * 4, distance=1e9)


@pytest.mark.parametrize(
    ("outside", "writes", "denied"),
    [("inhibit", [900, 1450], Denied.OUTSIDE_TRAINING), ("flag", [900], Denied.NOTHING)],
)
async def test_inputs_that_the_model_was_not_trained_on(outside, writes, denied, caplog):
    async with active(envelope=ENVELOPE, outside=outside) as one:
        plc = one.s.drivers["a"].values
        plc["a.speed"] = 50.0
        one.score = 0.9
        await asyncio.sleep(0.5)
        assert one.writes == [900]
        plc["a.speed"] = 61.0
        await asyncio.sleep(0.5)
        assert one.writes == writes, "the fallback, once"
        block = frames(one.s.drivers["b"], "m")[-1][1]
        assert (block["denied"], block["input_quality"]) == (denied, Quality.UNCERTAIN)
        assert block["score"] == pytest.approx(0.9), "shown all the same"
        assert one.machine.verdict.outside.text == "speed 61, above 60 in training"
        plc["a.speed"] = 50.0
        await asyncio.sleep(2)
        assert one.machine.verdict.outside is None
        assert one.writes == ([900, 1450, 900] if outside == "inhibit" else [900])
    told = [r.getMessage() for r in caplog.records if "outside of training" in r.getMessage()]
    assert told == ["machine m: UNCERTAIN, outside of training: speed 61, above 60 in training"]
