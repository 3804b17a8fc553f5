"""Alarms over OPC UA, refreshed, acknowledged and commented on by a client that nobody here wrote."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alarming import alarming
from opcua_site import Gateway, node_client, said, seen

from edge_agent.north.opcua.access import MOST_WRONG, Operator, Trusted

pytestmark = pytest.mark.sockets
SERVER = "i=2253"


class Living(Gateway):
    """A gateway whose status is that of a machine that runs."""

    @property
    def said(self) -> bytes:
        verdict = self.machines[0].verdict
        reading = verdict.readings[0]
        return seen(alarm=verdict.alarm, score=reading.score, alarm_state=reading.alarm_state.name)

    @said.setter
    def said(self, _: bytes) -> None: ...


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[Living]:
    """A gateway with a machine whose alarm is raised and waits."""
    async with alarming(folder, "pump") as (_, machine, historian):
        while not (machine.verdict.readings and machine.verdict.alarm):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        gateway = Living(folder, ("operator",), [machine], historian)
        async with gateway.serving():
            yield gateway


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The one operator there is."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = tmp_path / "operator"
    file.touch(0o600)
    file.write_text("anna\ngeheim\n", encoding="utf-8")
    return {"user": "anna", "password": "geheim"}


async def ask(client: asyncio.subprocess.Process, what: str, **more: Any) -> list[Any]:
    """Have the client call a method; return what it is told until the status, and that."""
    assert client.stdin is not None
    client.stdin.write(json.dumps({"what": what, **more}).encode() + b"\n")
    told = []
    while "status" not in (line := await said(client)):
        told.append(line)
    return [*told, line["status"]]


async def refreshed(client: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    """Ask for all conditions that are of interest."""
    told = await ask(client, "refresh")
    while told.count({"refresh": "end"}) < 1:
        told.append(await said(client))
    assert "Good" in told
    assert {"refresh": "start"} in told
    return [line["event"] for line in told if isinstance(line, dict) and "event" in line]


async def begun(client: asyncio.subprocess.Process) -> None:
    while await said(client) != {"listens": True}:
        pass


async def test_an_operator_acknowledges_what_was_raised_before_it_came(
    tmp_path: Path, login: dict[str, str]
) -> None:
    async with living(tmp_path) as gateway, node_client(gateway, tmp_path, SERVER, **login) as client:
        await begun(client)
        (event,) = await refreshed(client)
        assert event["Message"] == "pump: alarm of wear raised, score 0.9"
        assert (event["ActiveState.Id"], event["AckedState.Id"], event["Retain"]) == (True, False, True)
        meant = {"condition": event["ConditionId"], "event": event["EventId"]}
        assert (await refreshed(client)) == [event]
        for wrong, status in (
            ({**meant, "event": "00"}, "BadEventIdUnknown"),
            ({**meant, "condition": "ns=2;s=pump"}, "BadNodeIdUnknown"),
        ):
            assert await ask(client, "acknowledge", **wrong, comment="") == [status]
        *_, noted = [await ask(client, "comment", **meant, comment="bearing\nordered"), (await said(client))]
        assert (noted["event"]["Comment"], noted["event"]["ClientUserId"]) == ("bearing\nordered", "anna")
        assert (await ask(client, "acknowledge", **meant, comment="seen"))[-1] == "Good"
        acked = (await said(client))["event"]
        assert (acked["ActiveState.Id"], acked["AckedState.Id"], acked["Comment"]) == (True, True, "seen")
        assert await ask(client, "acknowledge", **meant, comment="") == ["BadConditionBranchAlreadyAcked"]
        gateway.machines[0].model.answer = lambda rows: np.full((len(rows), 1), 0.1)
        over = (await said(client))["event"]
        assert (over["ActiveState.Id"], over["Retain"]) == (False, False)
        assert await refreshed(client) == []
    with sqlite3.connect(tmp_path / "history.db") as history:
        kept = history.execute("SELECT kind, text FROM event WHERE kind IN ('order', 'comment')").fetchall()
    assert kept == [
        ("comment", "wear: bearing ordered, by anna over OPC UA"),
        ("order", "acknowledge wear, by anna over OPC UA: seen"),
    ]


async def test_whoever_only_reads_acknowledges_nothing(tmp_path: Path, login: dict[str, str]) -> None:
    del login
    async with living(tmp_path) as gateway:
        async with node_client(gateway, tmp_path, SERVER) as client:
            await begun(client)
            (event,) = await refreshed(client)
            meant = {"condition": event["ConditionId"], "event": event["EventId"], "comment": "me"}
            assert await ask(client, "acknowledge", **meant) == ["BadUserAccessDenied"]
            assert await ask(client, "comment", **meant) == ["BadUserAccessDenied"]
        async with node_client(gateway, tmp_path, SERVER, user="anna", password="falsch") as client:
            assert "failed" in await said(client)
        assert gateway.machines[0].verdict.readings[0].alarm_state.name == "UNACKNOWLEDGED"


def test_wrong_passwords_are_not_tried_for_ever(
    tmp_path: Path, login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("edge_agent.north.opcua.access.time.monotonic", lambda: now)
    users = Trusted(tmp_path / "pki", ["operator"])
    monkeypatch.setattr(users, "_problem", lambda _: "")

    def enter(password: str) -> Any:
        return users.get_user(None, login["user"], password)

    assert isinstance(enter("geheim"), Operator)
    assert [enter("falsch") for _ in range(MOST_WRONG)] == [None] * MOST_WRONG
    assert enter("geheim") is None
    now += 61
    assert isinstance(enter("geheim"), Operator)
    (tmp_path / "operator").unlink()
    assert enter("geheim") is None
