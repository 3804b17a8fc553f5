"""Configurations and commands from the office, on a real agent: taken over, given up, refused."""

import json
from collections.abc import Iterator

import pytest
from agent_process import AgentProcess, until
from click.testing import CliRunner, Result
from gateways import Gateways, fleet, ordered
from modbus_proxy import free_port
from mosquitto import Broker
from plc_line import device, machine, start_plant

from edge_agent.cli import main
from edge_agent.configurations import Configurations, sequence_of

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def gateways(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    folder = tmp_path_factory.mktemp("fleet")
    broker = Broker(folder).start()
    with start_plant(free_port()) as plant:
        yield Gateways(folder, broker.port, plant.modbus_port, dense_tflite)
    broker.kill()


@pytest.fixture(scope="module")
def agent(gateways: Gateways) -> Iterator[AgentProcess]:
    config = gateways.make("gw1", "hall-1")
    with gateways.running(config) as (running,):
        until(lambda: "1 gateways" in fleet(gateways, "status").output, "the gateway's report")
        yield running


def told(gateways: Gateways, *arguments: object) -> Result:
    return ordered(gateways, *arguments, "--timeout", 60)


def configured(gateways: Gateways, text: str, **files: str) -> Result:
    folder = gateways.folder / "desk"
    folder.mkdir(exist_ok=True)
    (folder / "hall.toml").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    return told(gateways, "configure", folder / "hall.toml", "--stage", "100%")


def parts(port: int, mode: str = "shadow") -> str:
    return device("a", port) + machine("alpha", "a", "a", mode).replace('"small.bundle"', '"pump"')


def test_a_configuration_is_taken_over_and_one_that_silences_a_machine_is_given_up(
    gateways: Gateways, agent: AgentProcess
) -> None:
    store = Configurations(agent.config.parent / "state")
    good = parts(gateways.plant) + '[device.b]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\n'
    good += f'port = {gateways.plant}\nscan = "500ms"\ntags = "more.csv"\n'
    said = configured(gateways, good, more="name,table,address,type\nsame,input,0,uint16\n")
    assert said.exit_code == 0, said.output
    assert "1 of 1 well" in said.output
    (report,) = json.loads(fleet(gateways, "status", "--json").stdout)
    taken = sequence_of(store.read().active)
    assert report["configuration"] == taken
    assert {d["name"] for d in agent.status()["devices"]} == {"a", "b"}
    checked = CliRunner().invoke(main, ["check", str(agent.config)]).output
    assert "b.same" in checked
    assert f"warning: links, devices and machines are the office's, from {store.active()}" in checked

    said = configured(gateways, parts(free_port()))
    assert said.exit_code == 1
    assert "rolled back" in said.output
    assert "device a: does not answer" in said.output
    assert f"back to {taken}" in said.output
    until(lambda: {d["name"] for d in agent.status()["devices"]} == {"a", "b"}, "the configuration before")
    until(lambda: agent.machine("alpha")["reason"] == "NONE", "results as before")

    left = CliRunner().invoke(main, ["fleet", "own", str(agent.config)])
    assert left.output == f"left {taken}; the agent was told\n"
    until(lambda: {d["name"] for d in agent.status()["devices"]} == {"a"}, "the gateway's own")
    left = CliRunner().invoke(main, ["fleet", "own", str(agent.config)])
    assert left.output == "no configuration of the office is in use\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (parts(1, "advisory"), "it writes a result that the gateway's own file does not"),
        (parts(1).replace("timeout", "timout"), "unknown key; did you mean 'timeout'?"),
    ],
    ids=["writes", "misspelt"],
)
def test_what_a_gateway_cannot_or_must_not_take_is_refused_and_nothing_changes(
    text: str, why: str, gateways: Gateways, agent: AgentProcess
) -> None:
    store = Configurations(agent.config.parent / "state")
    before = store.record()
    said = configured(gateways, text.replace("port = 1\n", f"port = {gateways.plant}\n"))
    assert said.exit_code == 1, said.output
    assert "refused" in said.output
    assert why in said.output
    assert store.record() == before


@pytest.mark.usefixtures("agent")
def test_what_is_the_gateways_own_is_refused_at_the_desk(gateways: Gateways) -> None:
    said = configured(gateways, parts(1) + "[mqtt]\nhost = 'elsewhere'\n")
    assert said.exit_code == 78
    assert "mqtt: is the gateway's own; the office configures link, device and machine" in said.output
    said = configured(
        gateways, parts(1) + '[device.c]\ndriver = "modbus-tcp"\nhost = "c"\ntags = "../c.csv"\n'
    )
    assert said.exit_code == 78
    assert "device.c.tags: '../c.csv' is no name of a file beside this one" in said.output


def test_commands_are_carried_out_once_and_told(gateways: Gateways, agent: AgentProcess) -> None:
    stop = agent.config.parent / "state/STOP"
    said = told(gateways, "command", "stop-writing", "--gateway", "gw1")
    assert said.exit_code == 0, said.output
    assert stop.exists()
    stop.unlink()
    assert "gw7 has reported" in told(gateways, "command", "stop-writing", "--gateway", "gw7").output

    said = told(gateways, "command", "acknowledge", "alpha")
    assert said.exit_code == 0, said.output
    said = told(gateways, "command", "acknowledge", "beta")
    assert said.exit_code == 1
    assert "there is no machine 'beta'" in said.output

    said = told(gateways, "command", "rollback", "pump@7")
    assert "nothing to do: pump@1 is active, not 7" in fleet(gateways, "status").output
    assert said.exit_code == 0, said.output
    said = told(gateways, "command", "rollback", "pump@1")
    assert said.exit_code == 1
    assert "there is no version before" in said.output
    assert not stop.exists(), "a command that was carried out is not carried out again"
