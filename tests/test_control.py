"""What people ask of a running agent over its socket: obeyed, refused with a reason, kept with a name."""

import asyncio
import contextlib
import getpass
import socket
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from alarming import alarming
from click.testing import CliRunner, Result

from edge_agent.build import Parts
from edge_agent.cli import main
from edge_agent.config import Config
from edge_agent.control import SOCKET, Refused, Request, ask, serve
from edge_agent.core.alarm import AlarmState
from edge_agent.history import audit
from edge_agent.links import Links
from edge_agent.machine import Machine

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(60)]


@contextlib.asynccontextmanager
async def controlled(folder: Path) -> AsyncIterator[Machine]:
    """A machine whose alarm is raised and waits, and the control socket of its agent."""
    async with alarming(folder, "m") as (s, machine, historian):
        config = Config(name="t", state=str(folder), devices=[], machines=[], sha256="cd" * 32)
        parts = Parts(config, Links(), [], [], [machine], [s.scan], s.table, {})
        server = await serve(folder, lambda: parts, historian)
        try:
            yield machine
        finally:
            server.close()


async def becomes(machine: Machine, state: AlarmState) -> None:
    def there() -> bool:
        return bool(machine.verdict.readings) and machine.verdict.readings[0].alarm_state is state

    async with asyncio.timeout(10):
        while not there():  # noqa: ASYNC110 - the machine tells nobody but the PLC
            await asyncio.sleep(0.01)


def asked(folder: Path, do: str, **more: object) -> "asyncio.Future[None]":
    request = msgspec.convert({"do": do, "machine": "m", **more}, Request)
    return asyncio.ensure_future(asyncio.to_thread(ask, folder, request))


async def test_an_alarm_is_acknowledged_shelved_and_brought_back(tmp_path: Path) -> None:
    async with controlled(tmp_path) as machine:
        assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
        await becomes(machine, AlarmState.UNACKNOWLEDGED)
        await asked(tmp_path, "acknowledge", output="wear")
        await becomes(machine, AlarmState.ACKNOWLEDGED)
        await asked(tmp_path, "shelve", output="wear", shelf=600.0)
        await becomes(machine, AlarmState.SHELVED)
        assert not machine.verdict.alarm
        await asked(tmp_path, "unshelve")
        await becomes(machine, AlarmState.ACKNOWLEDGED)
    with sqlite3.connect(tmp_path / "history.db") as history:
        kept = [text for (text,) in history.execute("SELECT text FROM event WHERE kind = 'order'")]
    me = getpass.getuser()
    assert kept == [
        f"acknowledge wear, by {me}",
        f"shelve wear for 600 s, by {me}",
        f"unshelve all, by {me}",
    ]


async def test_comments_are_kept_by_themselves_and_with_an_order(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[agent]\nstate = "."\n', encoding="utf-8")

    def alarms(*words: str) -> str:
        return CliRunner().invoke(main, ["alarms", str(config), *words]).output

    async with controlled(tmp_path) as machine:
        await becomes(machine, AlarmState.UNACKNOWLEDGED)
        assert await asyncio.to_thread(alarms, "comment", "m", "wear", "bearing\n ordered") == (
            "comment m wear: kept\n"
        )
        await asyncio.to_thread(alarms, "acknowledge", "m", "wear", "--comment", "seen")
        await becomes(machine, AlarmState.ACKNOWLEDGED)
    with sqlite3.connect(tmp_path / "history.db") as history:
        kept = history.execute("SELECT kind, text FROM event WHERE subject = 'm' ORDER BY id").fetchall()
    me = getpass.getuser()
    assert ("comment", f"wear: bearing ordered, by {me}") in kept
    assert ("order", f"acknowledge wear, by {me}: seen") in kept


async def test_the_command_shelves_for_as_long_as_it_is_told(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[agent]\nstate = "."\n', encoding="utf-8")

    def shelve(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["alarms", str(config), "shelve", *arguments])

    async with controlled(tmp_path) as machine:
        done = await asyncio.to_thread(shelve, "m", "wear", "1h")
        assert (done.exit_code, done.output) == (0, "shelve m wear: in its next cycle\n")
        await becomes(machine, AlarmState.SHELVED)
        for duration, code, says in (("9h", 1, "at most 8 h"), ("long", 2, "such as '500ms'")):
            refused = await asyncio.to_thread(shelve, "m", "wear", duration)
            assert refused.exit_code == code
            assert says in refused.output
    gone = await asyncio.to_thread(shelve, "m", "wear", "1h")
    assert gone.exit_code == 1
    assert "is it running" in gone.output


async def test_latched_writing_is_armed_again_with_a_row_of_the_audit(tmp_path: Path) -> None:
    async with controlled(tmp_path) as machine:
        with pytest.raises(Refused, match="not latched off"):
            await asked(tmp_path, "rearm")
        machine.publisher.latch.closed = True
        await asked(tmp_path, "rearm")
        assert not machine.latched
    assert audit.verify(tmp_path / "history.db") == []
    with sqlite3.connect(tmp_path / "history.db") as history:
        ((entry,),) = history.execute("SELECT entry FROM audit").fetchall()
    assert f"writing re-armed by {getpass.getuser()}" in entry
    assert "cd" * 32 in entry


async def test_what_cannot_be_done_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with controlled(tmp_path):
        with pytest.raises(Refused, match="no machine 'n'; known: m"):
            await asked(tmp_path, "reset", machine="n")
        with pytest.raises(Refused, match="no output 'x' with an alarm"):
            await asked(tmp_path, "reset", output="x")
        with pytest.raises(Refused, match="a comment has at most 500 characters"):
            await asked(tmp_path, "comment", comment="x" * 501)
        for line in (b"{}\n", b"\xff\n", b'{"do": "stop", "machine": "m"}\n', b"x" * 100_000 + b"\n"):
            said = await asyncio.to_thread(_raw, tmp_path / SOCKET, line)
            assert b"refused" in said or line.startswith(b"xx")
        await asked(tmp_path, "unshelve")


def _raw(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(ConnectionError):
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(line)
        return sock.recv(65536)
    return b""


def test_without_an_agent_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is it running"):
        ask(tmp_path, Request(do="reset", machine="m"))
