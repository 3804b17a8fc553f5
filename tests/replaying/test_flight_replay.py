"""A flight recording replayed gives what the agent gave live, to the bit: faults on the wire, a dead model.

EDGE_AGENT_LIVE_SECONDS=600 makes it the long run that is done by hand.
"""

import csv
import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from agent_process import small_bundle
from dense_model import limited
from plc_line import Line
from sources import python

from edge_agent.core.manifest import Limits
from edge_agent.core.tags import Reason

SECONDS = float(os.environ.get("EDGE_AGENT_LIVE_SECONDS", "12"))
pytestmark = [pytest.mark.sockets, pytest.mark.timeout(4 * SECONDS + 120)]


class Result(NamedTuple):
    """What the history keeps of a cycle, but for the time and the inputs."""

    machine: str
    sequence: int
    state: str
    reason: str
    score: float | None
    alarm: int
    said: dict[str, float]


@contextmanager
def a_broken_line(line: Line, dice: random.Random, name: str) -> Iterator[None]:
    """Break the line to one PLC in some way for the length of the block."""
    proxy = line.proxies[name]
    kind = dice.choice(("cut", "exception", "nonsense", "alien"))
    if kind == "cut":
        proxy.cut()
    elif kind == "exception":
        proxy.mangle = lambda pdu, reply: reply[:4] + b"\x00\x03" + reply[6:7] + bytes([pdu[0] | 0x80, 4])
    elif kind == "nonsense":
        proxy.mangle = lambda _, reply: reply[:9] + bytes(b ^ 0xFF for b in reply[9:])
    else:
        proxy.mangle = lambda _, reply: b"\x77\x77" + reply[2:]
    yield
    proxy.mangle = None


def live(line: Line) -> None:
    """Run the agent for a while, with something going wrong about every second, first of all its child."""
    dice = random.Random(1)
    with line.agent:
        line.settle()
        line.agent.child.kill()
        line.advances("c", 30)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.3, 1.2))
            if dice.random() < 0.15:
                line.agent.child.kill()
                line.advances("c", 30)
                continue
            with a_broken_line(line, dice, dice.choice("ab")):
                time.sleep(dice.uniform(0.1, 0.8))
        assert line.agent.terminate() == 0


def kept(history: Path) -> list[Result]:
    with sqlite3.connect(history) as connection:
        rows = connection.execute(
            "SELECT machine, sequence, state, reason, score, alarm, outputs FROM result ORDER BY id"
        ).fetchall()
    return [Result(*row[:6], json.loads(row[6])["wear"]) for row in rows]


def replayed(path: Path) -> list[Result]:
    found = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            said = {part: float(row[f"wear.{part}"]) for part in ("score", "value") if row[f"wear.{part}"]}
            said["alarm"] = bool(int(row["wear.alarm"]))
            score = float(row["score"]) if row["score"] else None
            found.append(
                Result(
                    row["machine"], int(row["sequence"]), row["state"], row["reason"], score,
                    int(row["alarm"]), said,
                )
            )  # fmt: skip
    return found


def test_a_flight_recording_replayed_is_the_live_result_to_the_bit(
    dense_tflite: bytes, tmp_path: Path
) -> None:
    limits = limited(Limits(on=0.5, off=0.49, on_delay=0.2))
    small_bundle(tmp_path / "small.bundle", dense_tflite, outputs=limits)
    with ExitStack() as stack:
        line = Line(tmp_path, stack)
        live(line)
    out = tmp_path / "rows.csv"
    said = python("-m", "edge_agent", "replay", line.config, "--data", tmp_path / "state/flight", "-o", out)
    was, played = kept(tmp_path / "state/history.db"), replayed(out)
    for name in ("alpha", "beta", "gamma"):
        assert [r for r in played if r.machine == name] == [r for r in was if r.machine == name], said
    assert "another configuration" not in said
    reasons = {r.reason for r in was}
    assert {Reason.NONE.name, Reason.MODEL_DOWN.name} < reasons
    assert reasons & {Reason.NO_LINK.name, Reason.BAD_REPLY.name, Reason.DEVICE_REFUSED.name}
    assert len({r.score for r in was}) > SECONDS
    line.config.write_text(line.config.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    again = python("-m", "edge_agent", "replay", line.config, "--data", tmp_path / "state/flight", "-o", out)
    assert "another configuration" in again
