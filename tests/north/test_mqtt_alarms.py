"""Alarms and warnings over MQTT: as they stand at a birth, as they change, and what changed meanwhile."""

import asyncio
from pathlib import Path

import dense_model
import msgspec
import pytest
from broker import History, Host, config_of, hosting, parts_of, table, telling
from mosquitto import Broker

from edge_agent.config import Config
from edge_agent.core.alarm import AlarmState
from edge_agent.core.manifest import Limits
from edge_agent.core.outputs import Reading
from edge_agent.core.pipeline import Verdict
from edge_agent.core.resultblock import State
from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets
ALARM, WARNING, RAISED = (f"Outputs/wear/{name}" for name in ("Alarm state", "Warning state", "Warning"))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two machines whose output has a warning below its alarm."""
    output = msgspec.structs.replace(dense_model.OUTPUT, warning=Limits(on=0.5, off=0.4))
    manifest = dense_model.manifest(outputs=[output])
    return config_of(tmp_path / "state", "pump", "fan", manifest=manifest)


def reads(alarm: AlarmState, warning: AlarmState) -> Verdict:
    reading = Reading(output="wear", alarm_state=alarm, warning_state=warning)
    return Verdict(state=State.ADVISORY, reason=Reason.NONE, readings=(reading,))


def born(host: Host, machine: str) -> list[object]:
    said = {m.name: m.value for m in host.of("DBIRTH", machine)[-1].metrics}
    return [said[name] for name in (ALARM, WARNING, RAISED)]


async def test_a_warning_is_told_when_it_comes_and_when_it_goes(
    broker: Broker, history: History, config: Config
) -> None:
    history.change("pump", 1.0, "ACKNOWLEDGED", "ACKNOWLEDGED")
    history.commit()
    parts = parts_of(config)
    parts.machines[0].verdict = reads(AlarmState.NORMAL, AlarmState.SHELVED)
    async with hosting(broker) as host, telling(config, table(broker.port), parts):
        await host.until(lambda: host.of("DBIRTH", "fan"), "born")
        assert born(host, "pump") == ["NORMAL", "SHELVED", False], "as it is, not as it was told years ago"
        assert born(host, "fan") == [None, None, None], "nothing is known of it yet"
        parts.machines[1].verdict = reads(AlarmState.NORMAL, AlarmState.NORMAL)
        await host.until(lambda: host.told("fan", WARNING), "it has its first result")
        for at, alarm, warning in (
            (10.0, "NORMAL", "UNACKNOWLEDGED"),
            (11.5, "UNACKNOWLEDGED", "ACKNOWLEDGED"),
        ):
            history.change("pump", at, alarm, warning)
        history.commit()
        await host.until(lambda: len(host.told("pump", ALARM)) == 2, "two changes")
        assert host.told("pump", WARNING, late=False) == [
            (10_000, "UNACKNOWLEDGED"),
            (11_500, "ACKNOWLEDGED"),
        ]
        assert host.told("pump", RAISED, late=False) == [(10_000, True), (11_500, True)]
        assert host.told("pump", ALARM, late=False) == [(10_000, "NORMAL"), (11_500, "UNACKNOWLEDGED")]
        history.change("pump", 12.0, "RETURNED", "RETURNED")
        history.commit()
        await host.until(lambda: len(host.told("pump", RAISED)) == 3, "it is over")
        assert host.told("pump", RAISED)[-1] == (12_000, False)
        assert [value for _, value in host.told("fan", WARNING)] == ["NORMAL"], "told once"


async def test_what_changed_while_the_broker_was_away_is_told_once_and_as_historical(
    broker: Broker, history: History, config: Config
) -> None:
    parts = parts_of(config)
    parts.machines[0].verdict = reads(AlarmState.NORMAL, AlarmState.NORMAL)
    async with hosting(broker) as host:
        async with telling(config, table(broker.port), parts) as publisher:
            await host.until(lambda: host.of("DBIRTH", "fan"), "born")
            history.change("pump", 10.0, "NORMAL", "UNACKNOWLEDGED")
            history.commit()
            await host.until(lambda: host.told("pump", WARNING), "told")
            while publisher._outbox.cursor.changes < 1:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        missed = [(20.0 + n, "NORMAL", ("RETURNED", "UNACKNOWLEDGED")[n % 2]) for n in range(1200)]
        for change in missed:
            history.change("pump", *change)
        history.commit()
        parts.machines[0].verdict = reads(AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED)
        async with telling(config, table(broker.port), parts):
            await host.until(lambda: len(host.told("pump", WARNING)) == 1201, "what was missed")
            assert born(host, "pump") == ["NORMAL", "UNACKNOWLEDGED", True]
            history.change("pump", 5000.0, "NORMAL", "NORMAL")
            history.commit()
            await host.until(lambda: len(host.told("pump", WARNING)) == 1202, "what is new")
    assert host.told("pump", WARNING, late=True) == [(round(at * 1000), w) for at, _, w in missed]
    assert host.told("pump", WARNING, late=False) == [(10_000, "UNACKNOWLEDGED"), (5_000_000, "NORMAL")]


async def test_an_output_without_a_warning_has_none(broker: Broker, history: History, tmp_path: Path) -> None:
    config = config_of(tmp_path / "state", "pump")
    async with hosting(broker) as host, telling(config, table(broker.port)):
        await host.until(lambda: host.of("DBIRTH", "pump"), "born")
        names = {m.name for m in host.of("DBIRTH", "pump")[0].metrics}
        assert ALARM in names
        assert not {WARNING, RAISED} & names
        history.change("pump", 10.0, "UNACKNOWLEDGED", "NORMAL")
        history.commit()
        await host.until(lambda: host.told("pump", ALARM), "told")
        assert host.told("pump", "Writes/Verified") == []
