"""What goes wrong in a plant, done to a running line and undone again. One function a fault."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
from modbus_proxy import Mangle, Proxy, free_port
from plc_line import Line

Fault = Callable[[Line, random.Random], None]


def plc_loses_power(line: Line, dice: random.Random) -> None:
    name = dice.choice("abc")
    line.plants[name].kill()
    time.sleep(dice.uniform(0.5, 4))
    line.revive(name)


def cable_is_out(line: Line, dice: random.Random) -> None:
    proxy = _proxy(line, dice)
    target, proxy.target = proxy.target, free_port()
    proxy.cut()
    time.sleep(dice.uniform(0.5, 5))
    proxy.target = target


def connection_is_reset(line: Line, dice: random.Random) -> None:
    _proxy(line, dice).cut()


def answers_come_late(line: Line, dice: random.Random) -> None:
    late = dice.uniform(0.2, 1.0)

    def mangle(_: bytes, reply: bytes) -> bytes:
        time.sleep(late)
        return reply

    _spoil(line, dice, mangle)


def answers_are_cut_short(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda _, reply: reply[:-1])


def answers_are_of_another_request(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda _, reply: struct.pack(">H", (reply[1] + 7) & 0xFFFF) + reply[2:])


def answers_are_of_another_unit(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda _, reply: reply[:6] + bytes((reply[6] ^ 5,)) + reply[7:])


def answers_are_of_another_function(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda _, reply: reply[:7] + bytes((reply[7] ^ 1,)) + reply[8:])


def answers_are_noise(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda _, reply: dice.randbytes(len(reply)))


def plc_is_busy(line: Line, dice: random.Random) -> None:
    _spoil(line, dice, lambda pdu, reply: reply[:4] + b"\x00\x03" + reply[6:7] + bytes((pdu[0] | 0x80, 6)))


def model_dies(line: Line, dice: random.Random) -> None:
    _signal_child(line, signal.SIGKILL)


def model_hangs(line: Line, dice: random.Random) -> None:
    _signal_child(line, signal.SIGSTOP)


def configuration_is_read_again(line: Line, dice: random.Random) -> None:
    """With another scan for device c, or as it was."""
    text = line.config.read_text(encoding="utf-8")
    slow, quick = 'timeout = "300ms" # c', 'timeout = "250ms" # c'
    if dice.random() < 0.5:
        text = text.replace(slow, quick) if slow in text else text.replace(quick, slow)
        line.config.write_text(text, encoding="utf-8")
    line.agent.process.send_signal(signal.SIGHUP)


def somebody_stops_writing(line: Line, dice: random.Random) -> None:
    for command in ("stop-writing", "resume-writing"):
        subprocess.run(
            [sys.executable, "-m", "edge_agent", command, str(line.config)],
            check=True,
            capture_output=True,
            timeout=30,
        )
        time.sleep(dice.uniform(0.5, 3))


def box_is_starved(line: Line, dice: random.Random) -> None:
    line.agent.process.send_signal(signal.SIGSTOP)
    time.sleep(dice.uniform(0.2, 2))
    line.agent.process.send_signal(signal.SIGCONT)


ALL: tuple[Fault, ...] = (
    plc_loses_power,
    cable_is_out,
    connection_is_reset,
    answers_come_late,
    answers_are_cut_short,
    answers_are_of_another_request,
    answers_are_of_another_unit,
    answers_are_of_another_function,
    answers_are_noise,
    plc_is_busy,
    model_dies,
    model_hangs,
    configuration_is_read_again,
    somebody_stops_writing,
    box_is_starved,
)


def _proxy(line: Line, dice: random.Random) -> Proxy:
    return line.proxies[dice.choice("abc")]


def _spoil(line: Line, dice: random.Random, mangle: Mangle) -> None:
    proxy = _proxy(line, dice)
    proxy.mangle = mangle
    time.sleep(dice.uniform(0.3, 3))
    proxy.mangle = None


def _signal_child(line: Line, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(line.agent.process.pid).children():
            if "inference.child" in " ".join(child.cmdline()):
                os.kill(child.pid, number)
