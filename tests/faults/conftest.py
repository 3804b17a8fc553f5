"""The line, running, shared by the tests of a file: each gets it at work and must leave it so."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import small_bundle, until
from plc_line import Bystander, Line


@pytest.fixture(scope="module")
def running(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("line")
    small_bundle(folder / "small.bundle", dense_tflite)
    with contextlib.ExitStack() as stack:
        line = Line(folder, stack)
        others = {name: plc.others() for name, plc in line.plc.items()}
        stack.enter_context(line.agent)
        until((line.agent.state / "status.sock").exists, "the status socket")
        yield line
        assert line.agent.terminate() == 0, line.agent.lines
        for name, plc in line.plc.items():
            assert (plc.frame().state, plc.frame().reason) == (0, 30)
            assert plc.others() == others[name]
            assert line.proxies[name].writes == {(16, 400, 20)}


@pytest.fixture
def line(running: Line) -> Iterator[Line]:
    """The line at work. Afterwards the agent still runs."""
    running.settle()
    yield running
    assert running.agent.process.poll() is None, running.agent.lines


@pytest.fixture
def bystander(line: Line) -> Bystander:
    return Bystander(line)


@pytest.fixture
def after() -> Iterator[Path]:
    """A folder in memory for thousands of images."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
