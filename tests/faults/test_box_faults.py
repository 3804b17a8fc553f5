"""What the gateway itself runs out of."""

import resource
import time

import psutil
import pytest
from plc_line import Line

pytestmark = pytest.mark.sockets


def test_without_descriptors_held_connections_work_on_and_the_others_come_back_later(line: Line) -> None:
    agent = psutil.Process(line.agent.process.pid)
    before = agent.rlimit(resource.RLIMIT_NOFILE)
    line.plants["c"].kill()
    line.wait_told("device c")
    agent.rlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    line.revive("c")
    stood, first = line.plc["c"].frame(), line.plc["b"].frame()
    time.sleep(2)
    last = line.plc["b"].frame()
    assert (last.sequence - first.sequence) & 0xFFFF >= 15
    assert line.plc["c"].frame().heartbeat == stood.heartbeat, "there was a descriptor left"
    agent.rlimit(resource.RLIMIT_NOFILE, before)
    line.advances("c", 30)
