"""How old the values of each tag can get, as `check` says it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent.cli import main

CONFIG = """
[device.press]
driver = "modbus-rtu-over-tcp"
host = "10.0.0.21"
baud = 9600
scan = "200ms"
tags = [
  { name = "late", table = "input", address = 500, type = "float32[20]" },
  { name = "first", table = "holding", address = 0, type = "float32" },
  { name = "slow", table = "holding", address = 90, scan = "10s" },
]
"""
READ_2, READ_40, READ_1 = ((13 + 2 * n + 7) * 11 / 9600 + 5e-3 for n in (2, 40, 1))
"""Seconds of reads at 9600 baud: characters, two silences of 3.5, and what a device takes."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_tag_of_a_later_request_is_younger(config: Path) -> None:
    config.write_text(CONFIG)
    told = CliRunner().invoke(main, ["check", "--json", str(config)])
    fast, slow = json.loads(told.stdout)["budget"]["classes"]
    burst = READ_2 + READ_40 + READ_1
    assert fast["ages"]["press.first"] == fast["age"] == pytest.approx(0.2 + burst)
    assert [fast["ages"][f"press.late[{n}]"] for n in range(20)] == pytest.approx(20 * [0.2 + burst - READ_2])
    assert slow["ages"] == {"press.slow": pytest.approx(10 + burst)}


def test_every_tag_has_its_line_if_that_is_asked_for(config: Path) -> None:
    config.write_text(CONFIG)
    plain, by_tag = (CliRunner().invoke(main, ["check", *a, str(config)]).stdout for a in ([], ["--tags"]))
    lines = by_tag.splitlines()
    assert len(lines) == len(plain.splitlines()) + 22
    assert (
        lines[lines.index("poll budget:") + 2] == "  press.late[0]                  values up to 0.35 s old"
    )


def test_a_tag_on_a_link_that_cannot_keep_up_has_no_age(config: Path) -> None:
    config.write_text(CONFIG.replace("200ms", "150ms"))
    told = CliRunner().invoke(main, ["check", "--json", str(config)])
    fast, slow = json.loads(told.stdout)["budget"]["classes"]
    assert set(fast["ages"].values()) == {None}
    assert (fast["age"], slow["ages"]) == (None, {"press.slow": None})
