"""A cable that is pulled out, and a network that swallows packets, in the middle of a connection."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from agent_process import small_bundle, until
from cable import Cable
from modbus_proxy import Proxy
from plc_line import FALLBACK, Line

from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets
GIVEN_UP = {(FALLBACK, Reason.TIMEOUT), (FALLBACK, Reason.NO_LINK)}
AWAY = 2.0
"""Seconds, long enough for the first connection to be given up."""


@pytest.fixture(scope="module")
def laid(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Line, Cable]]:
    """The line at work, with PLC a at the other end of a cable."""
    folder = tmp_path_factory.mktemp("cable")
    small_bundle(folder / "small.bundle", dense_tflite)
    with contextlib.ExitStack() as stack:
        line, cable = Line(folder, stack), stack.enter_context(Cable())
        here = f'host = "127.0.0.1"\nport = {line.proxies["a"].port}'
        text = line.config.read_text(encoding="utf-8")
        assert here in text
        line.config.write_text(text.replace(here, f'host = "{cable.host}"\nport = 502'), encoding="utf-8")
        line.proxies["a"] = stack.enter_context(Proxy(line.ports["a"], cable.listen()))
        stack.enter_context(line.agent)
        yield line, cable
        assert line.agent.terminate() == 0, line.agent.lines


def ticks(line: Line) -> tuple[int, int, int]:
    """The cycles and the missed ticks so far, and the results of PLC b, which has nothing to do with it."""
    (scan,) = line.agent.status()["scans"]
    return scan["cycles"], scan["overruns"], line.plc["b"].frame().sequence


@pytest.mark.parametrize(
    ("cut", "mend"), [(Cable.pull_out, Cable.put_in), (Cable.swallow, Cable.spit_out)], ids=["cable", "hole"]
)
def test_its_own_machines_alone_wait_and_nothing_is_written_late(
    laid: tuple[Line, Cable], cut: Callable[[Cable], None], mend: Callable[[Cable], None]
) -> None:
    line, cable = laid
    proxy = line.proxies["a"]
    line.settle()
    begun = ticks(line)
    cut(cable)
    until(lambda: line.plc["c"].frame()[2:4] in GIVEN_UP, "FALLBACK of the machine that reads a")
    time.sleep(AWAY)
    cycles, missed, results = (now - then for now, then in zip(ticks(line), begun, strict=True))
    assert missed < cycles, "one that waited for a would miss two ticks each time"
    assert results > 0.9 * cycles - 2
    before, proxy.clients = proxy.clients, set()
    mend(cable)
    line.advances("a")
    line.advances("c")
    line.wait_told("WARNING device a: no answer within", "INFO device a: answers after")
    assert proxy.clients
    assert not proxy.clients & before, "the kernel delivered what was given up"
