"""`status --watch` as it is used: in a terminal of 24 lines and 80 columns, beside an agent that runs."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from agent_process import AgentProcess, small_bundle, until
from modbus_proxy import free_port
from plc_line import device, machine

pytestmark = pytest.mark.sockets
LINES, COLUMNS = 24, 80
DOWN, PAGE_DOWN, HOME, END = "\x1b[B", "\x1b[6~", "\x1b[H", "\x1b[F"
MQTT = '[mqtt]\nhost = "127.0.0.1"\nport = {port}\ngroup = "plant"\ntls = false\n'
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a pseudo-terminal; `screen` is what somebody in front of it sees."""

    def __init__(self, *command: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._before = termios.tcgetattr(slave)
        environment = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment | {"TERM": "xterm-256color"}
        )
        self._slave, self._seen = slave, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        os.close(self._slave)
        os.close(self._master)

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was: it echoes, and waits for Enter."""
        return termios.tcgetattr(self._slave)[:4] == self._before[:4]

    @property
    def screen(self) -> list[str]:
        """The lines of the last drawing that is whole."""
        while select.select([self._master], [], [], 0)[0]:
            self._seen += os.read(self._master, 65536)
        drawn = [part for part in self._seen.decode("utf-8", "ignore").split("\x1b[H") if "ends" in part]
        return [line.rstrip() for line in SEQUENCE.sub("", drawn[-1]).splitlines()] if drawn else []

    def shows(self, word: str) -> Callable[[], bool]:
        return lambda: word in "\n".join(self.screen)


@pytest.fixture
def agent(dense_tflite: bytes, tmp_path: Path) -> Iterator[AgentProcess]:
    """One machine; its PLC and two others are away, as its broker is."""
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    config = tmp_path / "c.toml"
    plant = "".join(device(name, free_port()) for name in "abc") + machine("alpha", "a", "a", "shadow")
    config.write_text(f'[agent]\nstate = "state"\n{plant}{MQTT.format(port=free_port())}', encoding="utf-8")
    with AgentProcess(config) as agent:
        until(lambda: agent.state.joinpath("status.sock").exists(), "an agent that answers", 60)
        yield agent


def watch(agent: AgentProcess) -> Terminal:
    return Terminal(sys.executable, "-m", "edge_agent", "status", str(agent.config), "--watch")


def test_all_of_it_can_be_seen_in_a_small_terminal(agent: AgentProcess) -> None:
    with watch(agent) as terminal:
        until(terminal.shows("alpha"), "the machine", 60)
        assert len(terminal.screen) <= LINES
        assert max(map(len, terminal.screen)) <= COLUMNS
        assert re.match(r"lines 1 to \d\d of \d\d: Up, Down, PgUp", terminal.screen[-1])
        assert not terminal.shows("period")()
        seen, first = set(terminal.screen), terminal.screen
        terminal.press(PAGE_DOWN)
        until(lambda: terminal.screen[:3] != first[:3], "the next page")
        seen |= set(terminal.screen)
        terminal.press(END)
        until(terminal.shows("0.1 s"), "the scans, at the end")
        seen |= set(terminal.screen)
        for word in ("alpha", "told to", "mqtt", "AWAY", "period", "overruns"):
            assert any(word in line for line in seen), word
        terminal.press(HOME)
        until(terminal.shows("alpha"), "the machine again")
        terminal.press(DOWN)
        until(terminal.shows("lines 2 to"), "a line further")


def test_it_stays_where_it_is_while_the_agent_restarts_and_leaves_the_terminal_as_it_was(
    agent: AgentProcess,
) -> None:
    with watch(agent) as terminal:
        until(terminal.shows("alpha"), "the machine", 60)
        terminal.press(END)
        until(terminal.shows("0.1 s"), "the scans")
        agent.process.kill()
        until(terminal.shows("NO CONNECTION"), "that nobody answers", 30)
        assert terminal.shows("0.1 s")(), "still at the end"
        assert terminal.screen[0].startswith("NO CONNECTION")
        with AgentProcess(agent.config):
            until(lambda: not terminal.shows("NO CONNECTION")(), "the agent again", 60)
        assert not terminal.restored
        terminal.press("q")
        assert terminal.process.wait(10) == 0
        assert terminal.restored


def test_what_is_no_terminal_is_told_how_to_ask(agent: AgentProcess) -> None:
    command = [sys.executable, "-m", "edge_agent", "status", str(agent.config), "--watch"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "--json" in ended.stderr
