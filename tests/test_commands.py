"""The commands as people and scripts use them: exit codes, JSON, and the guards of `write`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import ADVISORY, device, machine, start_plant

from edge_agent.core.resultblock import FIELDS

pytestmark = pytest.mark.sockets
Command = Callable[..., subprocess.CompletedProcess[str]]

WRITABLE = """
  { name = "panel", table = "holding", address = 901, type = "uint16", scale = 0.1, low = 0, high = 100 },
  { name = "bit", table = "holding", address = "901.3", type = "bool" },
  { name = "lamp", table = "coil", address = 0 },
  { name = "nothing", table = "holding", address = 500 },
"""


@pytest.fixture(scope="module")
def folder(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    small_bundle(folder / "small.bundle", dense_tflite)
    return folder


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with start_plant(free_port()) as plant, Proxy(plant.modbus_port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def plc(proxy: Proxy) -> Plc:
    return Plc(proxy.target)


@pytest.fixture(scope="module")
def command(folder: Path, proxy: Proxy) -> Command:
    """Runs ``python -m edge_agent COMMAND c.toml ARGUMENTS`` in the folder of a good configuration."""
    text = '[agent]\nstate = "state"\n' + device("a", proxy.port) + machine("alpha", "a", "a")
    text = text.replace("tags = [", "tags = [" + WRITABLE)
    (folder / "c.toml").write_text(text, encoding="utf-8")
    (folder / "bad.toml").write_text(text.replace('mode = "advisory"', 'mode = "loud"'), encoding="utf-8")
    absent = text.replace(f"port = {proxy.port}", f"port = {free_port()}")
    (folder / "absent.toml").write_text(absent, encoding="utf-8")

    def run(
        name: str, *args: str, config: str = "c.toml", answer: str = ""
    ) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "edge_agent", name, config, *args],
            cwd=folder,
            input=answer,
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    return run


def test_help_calls_the_command_by_its_name(command: Command) -> None:
    assert command("status", "--help").stdout.startswith("Usage: edge-agent status ")


def test_check_of_a_good_configuration_ends_well_and_connects_to_nothing(
    command: Command, proxy: Proxy
) -> None:
    before = len(proxy.requests)
    ended = command("check", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["outputs"][0]["modicon"] == "40401"
    assert len(proxy.requests) == before


@pytest.mark.parametrize("name", ["check", "run", "read"])
def test_a_bad_configuration_is_exit_code_78(command: Command, name: str) -> None:
    ended = command(name, config="bad.toml")
    assert ended.returncode == 78
    assert "bad.toml: machine.alpha.mode" in ended.stderr


@pytest.mark.parametrize(
    "args",
    [["--jason"], ["a.speed", "fast"], ["a.speed"], ["a.speed", "1", "--forse"], ["a.speed", "--yess"]],
)
def test_wrong_usage_is_exit_code_2(command: Command, args: list[str]) -> None:
    assert command("write", *args).returncode == 2


def test_read_shows_every_tag_and_fails_for_a_bad_one(command: Command) -> None:
    ended = command("read")
    assert ended.returncode == 1
    lines = {line.split()[0]: line for line in ended.stdout.splitlines()}
    assert len(lines) == 8
    assert "QUARANTINED" in lines["a.nothing"]
    assert lines["a.speed"].endswith("GOOD")


def test_read_of_named_tags_ends_well(command: Command) -> None:
    ended = command("read", "a.speed", "a.flow", "--json")
    assert ended.returncode == 0
    readings = json.loads(ended.stdout)
    assert [r["name"] for r in readings] == ["a.speed", "a.flow"]
    assert all(r["quality"] == "GOOD" and r["value"] >= 0 for r in readings)


def test_the_results_of_a_machine_and_a_whole_device_are_read_by_name(command: Command) -> None:
    ended = command("read", "alpha.result", "--json")
    assert ended.returncode == 0, ended.stderr
    block = {r["name"]: r["value"] for r in json.loads(ended.stdout)}
    assert len(block) == len(FIELDS)
    assert block["alpha.result.heartbeat"] == 0
    whole = json.loads(command("read", "a", "--json").stdout)
    assert [r["name"] for r in whole] == [r["name"] for r in json.loads(command("read", "--json").stdout)]


def test_read_of_an_unknown_tag_names_the_nearest(command: Command) -> None:
    ended = command("read", "a.sped")
    assert ended.returncode == 1
    assert "did you mean 'a.speed'" in ended.stderr


def test_read_of_an_absent_device_says_why(command: Command) -> None:
    ended = command("read", "a.speed", "--json", config="absent.toml")
    assert ended.returncode == 1
    (reading,) = json.loads(ended.stdout)
    assert reading["value"] is None
    assert "device a: " in reading["reason"]


def test_write_asks_and_no_means_no(command: Command, plc: Plc, proxy: Proxy) -> None:
    writes = len([r for r in proxy.requests if r[0] == 16])
    for answer in ("n\n", ""):
        ended = command("write", "alpha.result.heartbeat", "7", answer=answer)
        assert ended.returncode == 1
        assert "alpha.result.heartbeat" in ended.stdout
    assert len([r for r in proxy.requests if r[0] == 16]) == writes
    assert plc.registers(401, 1) == [0]


def test_write_of_a_declared_output_is_read_back(command: Command, plc: Plc) -> None:
    for args, answer in ((["7"], "y\n"), (["8", "--yes"], "")):
        ended = command("write", "alpha.result.heartbeat", *args, answer=answer)
        assert ended.returncode == 0
        assert f"wrote {args[0]}, read back {args[0]}" in ended.stdout
        assert plc.registers(400, 3) == [0, int(args[0]), 0]
    assert command("write", "alpha.result.heartbeat", "0", "--yes").returncode == 0


def test_write_of_an_input_needs_force(command: Command, plc: Plc) -> None:
    before = plc.registers(900, 2)
    ended = command("write", "a.panel", "5", "--yes")
    assert ended.returncode == 1
    assert "--force" in ended.stderr
    assert plc.registers(900, 2) == before


@pytest.mark.parametrize(("value", "raw"), [("0.7", 7), ("5", 50), ("1.1", 11)])
def test_write_takes_engineering_units(command: Command, plc: Plc, value: str, raw: int) -> None:
    ended = command("write", "a.panel", value, "--yes", "--force")
    assert ended.returncode == 0, ended.stderr
    assert plc.registers(901, 1) == [raw]
    assert f"read back {value}" in ended.stdout


def test_write_of_one_bit_leaves_the_others_of_its_register(command: Command, plc: Plc) -> None:
    (before,) = plc.registers(901, 1)
    assert command("write", "a.bit", "1", "--yes", "--force").returncode == 0
    assert plc.registers(901, 1) == [before | 8]
    assert command("write", "a.bit", "0", "--yes", "--force").returncode == 0
    assert plc.registers(901, 1) == [before & ~8]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("a.panel", "100.1", "outside 0..100"),
        ("a.panel", "nan", "outside 0..100"),
        ("a.panel", "0.75", "does not fit uint16"),
        ("alpha.result.heartbeat", "65536", "does not fit"),
        ("a.speed", "3", "input"),
        ("a.bit", "2", "does not fit bool"),
        ("a.nothing", "1", "illegal data address"),
        ("a.lamp", "1", "illegal data address"),
        ("a.panle", "1", "did you mean 'a.panel'"),
    ],
)
def test_write_refuses_what_cannot_be_right(
    command: Command, plc: Plc, name: str, value: str, says: str
) -> None:
    before = plc.registers(900, 3)
    ended = command("write", name, value, "--yes", "--force")
    assert ended.returncode == 1
    assert says in ended.stderr
    assert plc.registers(900, 3) == before


def test_write_to_an_absent_device_fails(command: Command) -> None:
    ended = command("write", "alpha.result.heartbeat", "1", "--yes", config="absent.toml")
    assert ended.returncode == 1
    assert "device a: " in ended.stderr


def test_status_without_an_agent_says_so(command: Command) -> None:
    ended = command("status")
    assert ended.returncode == 1
    assert "is it running?" in ended.stderr


def test_status_shows_what_the_running_agent_sees(command: Command, folder: Path, plc: Plc) -> None:
    with AgentProcess(folder / "c.toml") as agent:
        until((folder / "state" / "status.sock").exists, "the status socket")
        until(lambda: plc.frame().state == ADVISORY, "results")
        told = json.loads(command("status", "--json").stdout)
        assert told["event_loop"] == "uvloop"
        assert told["devices"][0]["bad_tags"] == told["devices"][0]["quarantined"] == ["a.nothing"]
        assert told["machines"][0]["state"] == "ADVISORY"
        assert told["machines"][0]["score"] == pytest.approx(plc.frame().score, abs=0.05)
        assert told["machines"][0]["writes"]["verified"] > 0
        assert told["scans"][0]["cycles"] > 0
        assert watched(folder) == told["name"]
        ended = command("status")
        assert ended.returncode == 0
        assert "ADVISORY" in ended.stdout
        assert "alarm NORMAL, warning NORMAL" in command("alarms").stdout
        assert agent.terminate() == 0
    assert command("status").returncode == 1


def watched(folder: Path) -> str:
    """Read two lines of `status --watch --json` and go; it ends quietly. Return the agent's name."""
    command = [sys.executable, "-m", "edge_agent", "status", "c.toml", "--watch", "--json"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        assert second["uptime"] > first["uptime"]
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == ""
    return second["name"]
