"""What becomes of a version that an agent is told to take over: exit 75 where only the time was too short."""

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from releases import keep, release

from edge_agent.bundles.store import Store
from edge_agent.bundles.telling import LOCK
from edge_agent.bundles.trial import give_up
from edge_agent.cli import main


@pytest.fixture
def state(dense_tflite: bytes, tmp_path: Path) -> Iterator[Path]:
    """The state folder of an agent, which this process is: two versions, the first is active."""
    folder = tmp_path / "state"
    for number in (1, 2):
        keep(folder, release(tmp_path, dense_tflite, number))
    store = Store(folder, "pump")
    with store.changing() as record:
        record.activate(store.version(1))
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, str(os.getpid()).encode())
    before = signal.getsignal(signal.SIGHUP)
    yield folder
    signal.signal(signal.SIGHUP, before)
    os.close(lock)


@pytest.mark.parametrize(("late", "code"), [(True, 75), (False, 1)])
def test_an_agent_that_was_too_busy_may_be_asked_again(late: bool, code: int, state: Path) -> None:
    store = Store(state, "pump")

    def refuse(*_: object) -> None:
        give_up(state, "pump", store.version(2)[7:19], "it did not answer", late=late)

    signal.signal(signal.SIGHUP, refuse)
    ended = CliRunner().invoke(main, ["bundle", "activate", "pump@2", "--state", str(state)])
    assert ended.exit_code == code
    assert "refused by the running agent: gave up 2: it did not answer; back to 1" in ended.output
    assert store.read().active == store.version(1)
