"""What a dead, restarted, silent or lying PLC does to an agent, and to everybody else: nothing more."""

import math
import signal
import struct
from collections.abc import Callable

import pytest
from plc_line import FALLBACK, Bystander, Line

from edge_agent.core.tags import Reason

pytestmark = pytest.mark.sockets


def test_a_plc_that_is_killed_and_comes_back_is_used_again(line: Line, bystander: Bystander) -> None:
    with bystander:
        line.plants["a"].kill()
        frame = line.plc["c"].becomes(state=FALLBACK, reason=Reason.NO_LINK)
        assert math.isnan(frame.score)
        assert line.agent.machine("alpha")["reason"] == "NO_LINK"
        line.revive("a")
        line.advances("a")
        line.advances("c")
    line.wait_told("WARNING device a: ", "INFO device a: answers after")


def test_a_plc_that_falls_silent_costs_only_its_own_machines(line: Line, bystander: Bystander) -> None:
    with bystander:
        line.plants["a"]._process.send_signal(signal.SIGSTOP)
        frame = line.plc["c"].becomes(state=FALLBACK, reason=Reason.TIMEOUT)
        assert math.isnan(frame.score)
        line.plants["a"]._process.send_signal(signal.SIGCONT)
        line.advances("a")
        line.advances("c")
    line.wait_told("WARNING device a: no answer", "INFO device a: answers after")


def test_a_server_that_accepts_and_never_answers_is_a_timeout(line: Line, bystander: Bystander) -> None:
    with bystander:
        line.proxies["a"].mangle = lambda request, reply: b""
        line.plc["c"].becomes(state=FALLBACK, reason=Reason.TIMEOUT)
        line.proxies["a"].mangle = None
        line.advances("a")
    line.wait_told("WARNING device a: no answer", "INFO device a: answers after")


def stale(request: bytes, reply: bytes) -> bytes:
    return struct.pack(">H", (int.from_bytes(reply[:2]) - 1) & 0xFFFF) + reply[2:]


def wrong_function(request: bytes, reply: bytes) -> bytes:
    return reply[:7] + bytes([reply[7] ^ 7]) + reply[8:]


def cut_short(request: bytes, reply: bytes) -> bytes:
    return reply[:4] + struct.pack(">H", len(reply) - 6 - 2) + reply[6:-2]


def too_long(request: bytes, reply: bytes) -> bytes:
    return reply + b"\0"


@pytest.mark.parametrize("mangle", [stale, wrong_function, cut_short, too_long])
def test_a_reply_that_does_not_fit_is_never_a_value(
    line: Line, bystander: Bystander, mangle: Callable[[bytes, bytes], bytes]
) -> None:
    with bystander:
        line.proxies["a"].mangle = mangle
        frame = line.plc["c"].becomes(state=FALLBACK, reason=Reason.BAD_REPLY)
        assert math.isnan(frame.score)
        line.proxies["a"].mangle = None
        line.advances("a")
    line.wait_told("WARNING device a: ", "INFO device a: answers after")


def test_a_reply_that_ends_in_the_middle_is_a_timeout(line: Line, bystander: Bystander) -> None:
    with bystander:
        line.proxies["a"].mangle = lambda request, reply: reply[:-3]
        line.plc["c"].becomes(state=FALLBACK, reason=Reason.TIMEOUT)
        line.proxies["a"].mangle = None
        line.advances("a")
    line.wait_told("WARNING device a: no answer", "INFO device a: answers after")


def test_a_plc_that_refuses_the_block_is_told_once(line: Line, bystander: Bystander) -> None:
    def refuse(request: bytes, reply: bytes) -> bytes:
        return reply[:4] + b"\0\3" + reply[6:7] + b"\x90\x02" if request[0] == 16 else reply

    with bystander:
        line.proxies["a"].mangle = refuse
        line.wait_told("WARNING machine alpha: result block refused")
        line.advances("c")
        line.proxies["a"].mangle = None
        line.advances("a")
    line.wait_told("WARNING machine alpha: result block refused", "INFO machine alpha: the result block is")
