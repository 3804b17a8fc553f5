"""The sockets of the state folder on a disk that does not take them at first."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from edge_agent import control, doors, hold
from edge_agent.bundles.telling import LOCK
from edge_agent.historian import Historian
from edge_agent.status import SOCKET

pytestmark = pytest.mark.sockets


async def test_what_a_disk_did_not_take_is_served_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doors, "AGAIN", 0.01)
    history, serve, failures = Historian(tmp_path), control.serve, [errno.EROFS, errno.ENOSPC]

    async def failing(*arguments: object) -> object:
        if failures:
            raise OSError(failures[0], os.strerror(failures.pop(0)))
        return await serve(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(control, "serve", failing)
    both = doors.Doors(tmp_path, history, lambda: None, lambda: None)
    assert not await both.open()
    assert history.queued == 1, "an event"
    await both.open_later()
    assert not failures
    with pytest.raises(control.Refused, match="still starting"):
        await asyncio.to_thread(control.ask, tmp_path, control.Request(do="acknowledge", machine="m"))
    both.close()
    await asyncio.sleep(0)
    both.remove()
    assert not (tmp_path / SOCKET).exists()
    told = [record.getMessage() for record in caplog.records if record.name == doors.__name__]
    assert len(told) == 1
    assert "Read-only file system; no edge-agent status" in told[0]


async def test_what_no_waiting_mends_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="path too long"):
        await doors.Doors(tmp_path / ("deep" * 30), Historian(tmp_path), lambda: None, lambda: None).open()


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_is_one_agents_also_where_no_lock_can_be_written(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if there:
        (tmp_path / LOCK).touch()
    opened = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    lock = hold.hold(tmp_path)
    with pytest.raises(OSError, match="another agent is running"):
        hold.hold(tmp_path)
    os.close(lock)
    os.close(hold.hold(tmp_path))
