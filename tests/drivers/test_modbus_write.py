"""`write` by hand: declared outputs, their limits, what people type, and what a libmodbus server then has."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from agent_process import INPUTS, small_bundle
from click.testing import CliRunner, Result
from libmodbus_server import compiled

from edge_agent.cli import main

pytestmark = pytest.mark.sockets
Command = Callable[..., Result]

TAGS = """
  { name = "permissive", table = "discrete", address = 0 },
  { name = "beat", table = "input", address = 8 },
  { name = "recipe", table = "holding", address = 100, type = "string[8]", encoding = "latin-1" },
  { name = "valve", table = "holding", address = 110, values = "0=closed|1=open|7=half|9=7" },
  { name = "clock", table = "holding", address = 120, type = "time_iec" },
  { name = "stamp", table = "holding", address = 130, type = "time_bytes" },
  { name = "unix", table = "holding", address = 134, type = "time_unix" },
  { name = "power", table = "holding", address = 140, type = "int16", factor = "power_sf", unit = "W" },
  { name = "power_sf", table = "holding", address = 141, type = "int16", nan = "-32768" },
  { name = "sf_bits", table = "holding", address = 141 },
  { name = "level", table = "holding", address = 150, type = "float32", low = -100, high = 100 },
  { name = "step", table = "holding", address = 160, type = "uint16[3]" },
  { name = "mark", table = "holding", address = 170, type = "int16", nan = "-32768|-1" },
  { name = "small", table = "holding", address = 171, type = "float16" },
"""


@contextmanager
def served(*arguments: str) -> Iterator[int]:
    with subprocess.Popen([str(compiled()), *arguments], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield int(server.stdout.readline())
        finally:
            server.kill()


def configuration(folder: Path, port: int, tflite: bytes) -> Path:
    small_bundle(folder / "small.bundle", tflite)
    rows = "\n".join(
        f'  {{ name = "{name}", table = "input", address = {n} }},' for n, name in enumerate(INPUTS)
    )
    inputs = ", ".join(f'{name} = "plc.{name}"' for name in INPUTS)
    file = folder / "act.toml"
    file.write_text(
        f"""
[agent]
state = "state"
[device.plc]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
scan = "100ms"
tags = [
{rows}{TAGS}]
[device.other]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
unit = 2
tags = [{{ name = "valve_2", table = "holding", address = 110 }}]
[machine.pump]
bundle = "small.bundle"
mode = "active"
inputs = {{ {inputs} }}
result = {{ device = "plc", table = "holding", address = 400 }}
permit = {{ permissive = "plc.permissive", heartbeat = "plc.beat" }}
[[machine.pump.outputs]]
device = "plc"
tag = {{ name = "speed_limit", table = "holding", address = 200, unit = "rpm", low = 100, high = 1500 }}
raised = 800
normal = 1500
[[machine.pump.outputs]]
device = "plc"
tag = {{ name = "gate", table = "holding", address = 201, values = "0=shut|1=open", low = 0, high = 1 }}
""",
        encoding="utf-8",
    )
    return file


def runner(config: Path) -> Command:
    def run(name: str, *arguments: str, answer: str = "") -> Result:
        ended = CliRunner().invoke(main, [name, str(config), *arguments], input=answer)
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended

    return run


@pytest.fixture
def command(tmp_path: Path, dense_tflite: bytes) -> Iterator[Command]:
    with served() as port:
        yield runner(configuration(tmp_path, port, dense_tflite))


def reading(command: Command, name: str) -> dict[str, object]:
    (found,) = json.loads(command("read", name, "--json").stdout)
    return found


def test_a_declared_output_is_written_and_read_by_its_name(command: Command) -> None:
    ended = command("write", "plc.speed_limit", "1200", "--yes")
    assert (ended.exit_code, ended.stdout) == (
        0,
        "plc.speed_limit: wrote 1200, read back 1200 rpm (GOOD)\n",
    )
    assert reading(command, "plc.speed_limit")["value"] == 1200
    ended = command("write", "plc.gate", "open", "--yes")
    assert (ended.exit_code, ended.stdout) == (0, "plc.gate: wrote open, read back open (GOOD)\n")
    assert (
        "plc.speed_limit" not in command("read").stdout
    )  # as with results: all tags are those that are read


@pytest.mark.parametrize("value", ["99", "1501", "-1", "nan"])
def test_an_output_past_its_limits_is_refused_unless_forced(command: Command, value: str) -> None:
    ended = command("write", "plc.speed_limit", value, "--yes")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert f"{value} is outside 100..1500; nothing written; --force writes it all the same" in ended.stderr
    assert reading(command, "plc.speed_limit")["value"] == 200


def test_force_goes_past_one_guard_not_two(command: Command) -> None:
    assert command("write", "plc.speed_limit", "1501", "--yes", "--force").exit_code == 0
    assert reading(command, "plc.speed_limit")["value"] == 1501
    assert command("write", "plc.level", "-5.5", "--yes").exit_code == 1
    assert command("write", "plc.level", "-5.5", "--yes", "--force").exit_code == 0
    assert reading(command, "plc.level")["value"] == -5.5
    ended = command("write", "plc.level", "101", "--yes", "--force")
    assert ended.exit_code == 1
    assert "101 is outside -100..100; nothing written; --force does not go past that as well" in ended.stderr
    assert reading(command, "plc.level")["value"] == -5.5


@pytest.mark.parametrize(
    ("name", "typed", "shown"),
    [
        ("recipe", "Öl 7", "Öl 7"),
        ("recipe", "12", "12"),
        ("recipe", "ab  ", "ab"),
        ("recipe", "", ""),
        ("valve", "open", "open"),
        ("valve", "1", "open"),
        ("valve", "5", "5"),
        ("clock", "2024-02-29T12:34:56.789", "2024-02-29T12:34:56.789"),
        ("clock", "2024-02-29", "2024-02-29T00:00:00.000"),
        ("stamp", "2031-12-31 23:59:59", "2031-12-31T23:59:59.000"),
        ("unix", "2024-02-29T12:34:56", "2024-02-29T12:34:56.000"),
        ("unix", "1709210096", "2024-02-29T12:34:56.000"),
        ("level", "0.1", "0.1"),
        ("level", "-99.99999", "-99.99999"),
        ("step[1]", "65535", "65535"),
        ("mark", "-32767", "-32767"),
    ],
)
def test_a_value_is_typed_as_people_write_it(command: Command, name: str, typed: str, shown: str) -> None:
    ended = command("write", f"plc.{name}", typed, "--yes", "--force")
    assert (ended.exit_code, ended.stdout) == (0, f"plc.{name}: wrote {typed}, read back {shown} (GOOD)\n")


@pytest.mark.parametrize(
    ("name", "typed", "code", "says"),
    [
        ("recipe", "too long a name", 1, "has 15 bytes and does not fit string[8]"),
        ("recipe", "Ω", 1, "does not fit encoding latin-1"),
        ("recipe", "a\0b", 1, "does not fit string: it would be read back as a"),
        ("valve", "oepn", 2, "'oepn' is no number, and none of closed, open, half, 7"),
        ("valve", "7", 2, "'7' is a number and a label, and may mean 7 or 9"),
        ("clock", "half past six", 2, "is no time such as 2026-11-29T06:00:00"),
        ("clock", "2024-02-29T12:34:56+01:00", 2, "has a zone"),
        ("clock", "1999-12-31", 1, "does not fit 2000 to 2099"),
        ("stamp", "2031-12-31 23:59:59.5", 1, "does not fit time_bytes"),
        ("unix", "2024-02-29T12:34:56.5", 1, "does not fit time_unix"),
        ("level", "0,5", 2, "'0,5' is no number"),
        ("step", "1", 1, "plc.step is an array; write one element, such as plc.step[0]"),
        ("mark", "-1", 1, "-1 is what this device means by no value"),
        ("small", "1e-9", 1, "does not fit float16: it would be read back as 0.0"),
        ("small", "1e999999", 1, "does not fit"),
        ("valve_2", "1", 1, "did you mean 'plc.valve'"),  # of this device, not other.valve_2
        ("speed", "1", 1, "table 'input', which no client can write"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_it_is_sent(
    command: Command, name: str, typed: str, code: int, says: str
) -> None:
    before = command("read", "--json").stdout
    ended = command("write", f"plc.{name}", typed, "--yes", "--force")
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert says in " ".join(ended.stderr.replace("│", " ").split())
    assert command("read", "--json").stdout == before


def test_a_value_with_a_scale_factor_is_written_by_the_factor_that_is_there(command: Command) -> None:
    for power, value, raw in (("-1", "23.5", 235), ("2", "-1200", -12), ("0", "7", 7)):
        assert command("write", "plc.power_sf", power, "--yes", "--force").exit_code == 0
        told = json.loads(command("write", "plc.power", value, "--yes", "--force", "--json").stdout)
        assert (told["raw"], told["back"]["digits"], told["verified"]) == (raw, value, True)


@pytest.mark.parametrize(
    ("power", "value", "says"),
    [
        (
            "-1",
            "23.45",
            "10^-1 in its scale-factor register: 234.5 is no whole number; 23.4 and 23.5 would fit",
        ),
        ("3", "1500", "1.5 is no whole number; 1000 and 2000 would fit"),
        ("-4", "10", "100000 does not fit int16"),
        ("11", "1", "the scale factor of plc.power (holding 141) is 11; nothing written"),
        ("-32768", "1", "the scale factor of plc.power (holding 141) is NO_VALUE; nothing written"),
    ],
)
def test_what_the_factor_does_not_let_come_out_is_refused(
    command: Command, power: str, value: str, says: str
) -> None:
    assert command("write", "plc.sf_bits", str(int(power) & 0xFFFF), "--yes", "--force").exit_code == 0
    ended = command("write", "plc.power", value, "--yes", "--force")
    assert ended.exit_code == 1
    assert says in ended.stderr


def test_the_answer_for_a_program(command: Command) -> None:
    ended = command("write", "plc.gate", "open", "--json", answer="y\n")
    told = json.loads(ended.stdout)
    assert "Write open (1) to plc.gate (holding 201 = 40202)?" in ended.stderr
    assert (told["name"], told["wrote"], told["raw"], told["verified"]) == ("plc.gate", "open", 1, True)
    assert (told["back"]["value"], told["back"]["meaning"]) == (1.0, "open")


def test_what_reads_back_different_is_exit_code_1(tmp_path: Path, dense_tflite: bytes) -> None:
    with served("0", "deaf") as port:
        command = runner(configuration(tmp_path, port, dense_tflite))
        ended = command("write", "plc.speed_limit", "1200", "--yes")
        assert (ended.exit_code, ended.stdout) == (1, "")
        assert "wrote 1200, read back 200 rpm (GOOD): the device ignores or changes it" in ended.stderr
        ended = command("write", "plc.recipe", "new", "--yes", "--force", "--json")
        assert ended.exit_code == 1
        assert json.loads(ended.stdout)["verified"] is False
        # What is there already is there.
        assert command("write", "plc.speed_limit", "200", "--yes").exit_code == 0


def test_an_array_is_read_by_its_name(command: Command) -> None:
    told = json.loads(command("read", "plc.step", "--json").stdout)
    assert [r["name"] for r in told] == ["plc.step[0]", "plc.step[1]", "plc.step[2]"]
    ended = command("read", "plc.stap")
    assert "did you mean 'plc.stamp'" in ended.stderr
