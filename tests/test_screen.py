"""The status in a terminal: every condition has a word, and what is old is said to be."""

import io
import time
from collections.abc import Iterator
from typing import Any, get_origin

import msgspec
import pytest
from rich.console import Console

from edge_agent.core.comparison import Tally
from edge_agent.north.standing import MqttStatus, OpcUaServerStatus
from edge_agent.screen import follow, render
from edge_agent.status import (
    CandidateStatus,
    DeviceStatus,
    MachineStatus,
    NotRunning,
    OutputStatus,
    ScanStatus,
    Status,
)

OUTPUT = OutputStatus(
    name="wear", score=0.91, value=None, confidence=None, alarm=False, alarm_state="NORMAL",
    warning_state="NORMAL", alarm_since=1.0, warning_since=1.0,
)  # fmt: skip
DEVICE = DeviceStatus(
    name="plc", healthy=False, reads=3, failures=1, round_trip=0.0125, bad_tags=["plc.vib[a]"],
    quarantined=[], exact={},
)  # fmt: skip


def filled(kind: type[Any], known: dict[str, Any]) -> Any:
    """Make a struct of which only some fields matter here; the others are empty."""
    empty: dict[Any, Any] = {str: "", bool: False, int: 0, float: 0.0, list: [], dict: {}}
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    return kind(**{name: empty.get(get_origin(of) or of) for name, of in fields.items()} | known)


def machine(**changes: Any) -> MachineStatus:
    known = {"name": "pump", "state": "ADVISORY", "reason": "NONE", "outputs": [OUTPUT], "model_runs": True}
    made: MachineStatus = filled(MachineStatus, known | changes)
    return made


def status(*machines: MachineStatus, **changes: Any) -> Status:
    scans = [ScanStatus(period=0.1, cycles=9, overruns=2, took=0.0042, late=None)]
    known = {"name": "demo", "devices": [DEVICE], "machines": list(machines), "scans": scans}
    made: Status = filled(Status, known | changes)
    return made


def drawn(told: Status, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(told))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "normal"),
        ({"alarm": True, "state": "FALLBACK"}, "ALARM"),
        ({"state": "FAULT", "reason": "MODEL_DOWN"}, "NO RESULT"),
        ({"outputs": [msgspec.structs.replace(OUTPUT, warning_state="UNACKNOWLEDGED")]}, "WARNING"),
        ({"state": "STARTING", "reason": "WARMING_UP"}, "waiting"),
        ({"outside": "speed 1800 rpm is above 1500 rpm"}, "UNCERTAIN"),
        ({"outputs": [msgspec.structs.replace(OUTPUT, alarm_state="SHELVED", shelved_until=9.0)]}, "SHELVED"),
        ({"latched": True}, "LATCHED OFF"),
        ({"denied": "STOPPED"}, "STOPPED"),
        ({"denied": "PERMISSIVE", "mode": "active", "state": "READY"}, "outputs denied: PERMISSIVE"),
        ({"model_runs": False}, "model is down"),
    ],
)
def test_every_condition_has_a_word(changes: dict[str, Any], word: str) -> None:
    assert word in drawn(status(machine(**changes)))


def test_why_and_what_is_bad_is_said_as_it_is_named() -> None:
    told = status(machine(reasons=["bearing_temp +11 degC"], culprit="flow", reason="NO_LINK"))
    for said in ("bearing_temp +11 degC", "NO_LINK flow", "plc.vib[a]", "DOWN", "12.5 ms", "4.2 ms"):
        assert said in drawn(told)


def test_alarms_are_listed_until_they_are_normal() -> None:
    raised = machine(outputs=[msgspec.structs.replace(OUTPUT, alarm_state="UNACKNOWLEDGED")])
    assert "UNACKNOWLEDGED" in drawn(status(raised))
    assert "alarms" not in drawn(status(machine()))
    assert "disk is full" in drawn(status(machine(), history_trouble="disk is full"))


def at(second: int) -> str:
    return time.strftime("%H:%M", time.localtime(second * 3600))


def test_an_alarm_is_as_old_as_its_raise_and_not_as_the_state_of_its_machine() -> None:
    worn = msgspec.structs.replace(
        OUTPUT, alarm=True, alarm_state="ACKNOWLEDGED", alarm_since=3 * 3600.0,
        warning_state="ACKNOWLEDGED", warning_since=2 * 3600.0,
    )  # fmt: skip
    told = drawn(status(machine(alarm=True, since=3600.0, outputs=[worn])))
    assert at(1) not in told, "since the machine gives results"
    listed = [" ".join(line.split()) for line in told.splitlines() if "ACKNOWLEDGED" in line]
    assert [line.split(" pump wear ") for line in listed] == [
        [f"1970-01-01 {at(3)}", "alarm ACKNOWLEDGED 0.91"],
        [f"1970-01-01 {at(2)}", "warning ACKNOWLEDGED 0.91"],
    ]
    assert told.count(at(3)) == 2, "and in the table of machines"
    warned = msgspec.structs.replace(worn, alarm=False, alarm_state="NORMAL")
    assert drawn(status(machine(since=3600.0, outputs=[warned]))).count(at(2)) == 2


def test_of_two_outputs_the_one_in_alarm_is_shown() -> None:
    calm = msgspec.structs.replace(OUTPUT, name="wear", score=0.05)
    leak = msgspec.structs.replace(OUTPUT, name="leak", score=0.97, alarm=True, alarm_state="UNACKNOWLEDGED")
    told = drawn(status(machine(alarm=True, score=0.05, outputs=[calm, leak])))
    assert "0.97" in next(line for line in told.splitlines() if "ADVISORY" in line)


def test_a_candidate_is_listed_with_what_it_lacks() -> None:
    assert "candidates" not in drawn(status(machine()))
    tally = Tally(active="a", candidate="b", cycles=9000, flips=12, only_active=2, only_candidate=3, missed=7)
    candidate = CandidateStatus(
        bundle="bearing 1.1.0", sequence=4, tally=tally, difference=0.1, p50=None, p99=None,
        lacks=["9000 of 10000 cycles"],
    )  # fmt: skip
    for width in (80, 200):
        told = drawn(status(machine(candidate=candidate)), width)
        for said in ("candidates", "9000", "12", "5", "7", "1.1.0@4"):
            assert said in told
    assert "9000 of 10000 cycles" in told
    ready = msgspec.structs.replace(candidate, lacks=[])
    assert "nothing" in drawn(status(machine(candidate=ready)))


MQTT = MqttStatus(
    broker="broker.plant:8883", connected=False, since=1.0, error="connection refused", waiting=4711,
    oldest=1.0, room=0.83, told=5, dropped=12,
)  # fmt: skip
SERVER = OpcUaServerStatus(
    endpoint="opc.tcp://127.0.0.1:4840/", listening=True, since=1.0, error="", starts=1, clients=2
)


@pytest.mark.parametrize("width", [80, 200])
def test_who_is_told_is_there_only_where_somebody_asked_for_it(width: int) -> None:
    assert "told to" not in drawn(status(machine()), width)
    told = drawn(status(machine(), mqtt=MQTT, opcua_server=SERVER), width)
    for said in ("AWAY", "4711", "12", "refused", "1970-01-01", "listens", "2 clients"):
        assert said in told
    assert "\u2026" not in told


class _Enough(Exception):
    pass


def test_a_restart_of_the_agent_is_survived_and_said() -> None:
    looks: Iterator[Any] = iter([NotRunning("no agent answers"), status(machine(name="press")), _Enough()])

    def look() -> Status:
        next_one = next(looks)
        if isinstance(next_one, Exception):
            raise next_one
        return next_one

    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with pytest.raises(_Enough):
        follow(console, status(machine()), look, lambda _: "")
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "NO CONNECTION: no agent answers" in said
    assert said.rindex("press") > said.index("NO CONNECTION")


def test_nothing_is_cut_off_in_a_narrow_terminal() -> None:
    told = drawn(status(machine(score=3.199e-06, mode="advisory", since=1.0, bundle="bearing 1.0.0")), 80)
    assert "\u2026" not in told
    for word in ("ADVISORY", "3.2e-06", "advisory", "bearing"):
        assert word in told
