"""The inference child dies or hangs: the PLCs are told, the agent and its reading go on."""

import math
import signal

import pytest
from agent_process import until
from plc_line import FAULT, Line

from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets


def test_a_killed_child_is_told_to_every_plc_and_comes_back(line: Line) -> None:
    child = line.agent.child
    cycles = line.agent.status()["scans"][0]
    child.send_signal(signal.SIGKILL)
    for name in "abc":
        assert math.isnan(line.plc[name].becomes(state=FAULT, reason=Reason.MODEL_DOWN).score)
    for name in "abc":
        line.advances(name)
    after = line.agent.status()["scans"][0]
    assert after["overruns"] - cycles["overruns"] <= 1
    assert line.agent.child.pid != child.pid
    line.wait_told("WARNING model dense: ", "INFO model dense: known answers proven")


def test_a_hung_child_is_given_up_and_replaced(line: Line) -> None:
    child = line.agent.child
    child.send_signal(signal.SIGSTOP)
    assert math.isnan(line.plc["b"].becomes(state=FAULT, reason=Reason.MODEL_LATE).score)
    heartbeat = line.plc["b"].frame().heartbeat
    line.advances("b")
    assert line.plc["b"].frame().heartbeat != heartbeat
    until(lambda: not child.is_running(), "the hung child is gone")
    line.wait_told("WARNING model dense: no answer", "INFO model dense: known answers proven")


def test_devices_are_read_at_their_period_while_the_model_is_down(line: Line) -> None:
    def reads() -> int:
        return next(d["reads"] for d in line.agent.status()["devices"] if d["name"] == "b")

    line.agent.child.send_signal(signal.SIGKILL)
    line.plc["b"].becomes(state=FAULT, reason=Reason.MODEL_DOWN)
    before = reads()
    until(lambda: reads() > before + 5, "reads while the model is down", 2)
    line.advances("b")
