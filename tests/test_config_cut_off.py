"""A configuration that was cut off anywhere: an error, or a reload that sees what is missing."""

from pathlib import Path

import pytest
from agent_process import INPUTS, small_bundle
from plc_line import device

from edge_agent.config import ConfigError, load
from edge_agent.vanished import vanished

ACTIVE = """\
[machine.{name}]
bundle = "small.bundle"
mode = "active"
inputs = {{ {inputs} }}
running = "a.speed > 10"
[machine.{name}.result]
device = "b"
table = "holding"
address = {address}
[machine.{name}.alarm]
acknowledge = "a.load"
[machine.{name}.permit]
permissive = "a.load"
heartbeat = "a.flow"
[[machine.{name}.outputs]]
tag = {{ name = "{name}1", table = "holding", address = {address}0, type = "uint16", low = 0, high = 9 }}
device = "b"
raised = 9
normal = 0
[[machine.{name}.outputs]]
tag = {{ name = "{name}2", table = "holding", address = {address}1, type = "uint16", low = 0, high = 9 }}
device = "b"
raised = 9
normal = 0
"""


def whole() -> str:
    inputs = ", ".join(f'{n} = "a.{n}"' for n in INPUTS)
    machines = [ACTIVE.format(name=n, address=a, inputs=inputs) for n, a in (("one", 400), ("two", 500))]
    return "".join([device("a", 5020), device("b", 5021), *machines])


def test_a_file_that_was_cut_off_is_an_error_or_something_is_missing(
    dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    file = tmp_path / "c.toml"
    text = whole()
    file.write_text(text, encoding="utf-8")
    before = load(file)
    lines = text.splitlines(keepends=True)
    lost = {}
    for count in range(len(lines)):
        file.write_text("".join(lines[:count]), encoding="utf-8")
        try:
            lost[count] = vanished(before, load(file))
        except ConfigError:
            continue
    assert all(lost.values()), lost
    told = {name for names in lost.values() for name in names}
    assert {"device.b", "machine.one", "machine.two", "machine.two.outputs (b.two2)"} <= told
    assert lost[len(lines) - 2] == [f"what follows line {len(lines) - 2}"]


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (("machine.two", "machine.three"), ["machine.two"]),
        (('running = "a.speed > 10"\n', ""), ["machine.one.running", "machine.two.running"]),
        (('acknowledge = "a.load"', "wait = false"), ["machine.one.alarm", "machine.two.alarm"]),
        (('mode = "active"', 'mode = "shadow"'), []),
        (('\n# the page\n[web]\nlisten = "127.0.0.1:8080"\n', ""), []),
        (('listen = "127.0.0.1:8080"\n', 'listen = "127.0.0.1:8081"'), []),
        (("normal = 0", "normal = 1"), []),
    ],
)
def test_what_a_change_takes_away_is_named(
    change: tuple[str, str], lost: list[str], dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    file = tmp_path / "c.toml"
    text = f'{whole()}\n# the page\n[web]\nlisten = "127.0.0.1:8080"\n'
    file.write_text(text, encoding="utf-8")
    before = load(file)
    file.write_text(text.replace(*change), encoding="utf-8")
    assert vanished(before, load(file)) == lost
