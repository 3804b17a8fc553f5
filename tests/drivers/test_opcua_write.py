"""`write` by hand to the nodes of a server, whose types are its own affair."""

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from opcua_process import PLANT, Server

from edge_agent.cli import main

pytestmark = pytest.mark.sockets
Command = Callable[..., Result]


@pytest.fixture(scope="module", params=["cyclic", "subscribe"])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    server = Server()
    server.start()
    config = tmp_path_factory.mktemp("write") / "config.toml"
    rows = "\n".join(
        f'  {{ name = "{name}", node = "{PLANT}{name}"{more} }},'
        for name, more in {
            "Float": "",
            "Double": ", scale = 0.1, offset = -5",
            "Int64": "",
            "Byte": "",
            "Boolean": ', values = "0=off|1=on"',
        }.items()
    )
    config.write_text(
        f'[device.s]\ndriver = "opc-ua"\nurl = "{server.url}"\nsecurity = "none"\nread = "{request.param}"\n'
        f"tags = [\n{rows}\n]\n"
    )

    def run(name: str, value: str) -> Result:
        return CliRunner().invoke(
            main, ["write", str(config), f"s.{name}", value, "--yes", "--force", "--json"]
        )

    yield run
    server.kill()


@pytest.mark.parametrize(
    ("name", "typed", "raw", "shown"),
    [
        ("Float", "0.1", 0.1, "0.1"),
        ("Float", "-21.3", -21.3, "-21.3"),
        ("Double", "18.4", 234, "18.4"),
        ("Int64", "9007199254740993", 2**53 + 1, 2**53 + 1),
        ("Byte", "200", 200, "200"),
        ("Boolean", "off", 0, "off"),
        ("Boolean", "on", 1, "on"),
    ],
)
def test_what_is_written_is_there(
    command: Command, name: str, typed: str, raw: float, shown: float | str
) -> None:
    ended = command(name, typed)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["wrote"], told["raw"], told["verified"]) == (typed, raw, True)
    back = told["back"]
    assert (back["digits"] if back["meaning"] is None else back["meaning"]) == shown


@pytest.mark.parametrize(
    ("name", "typed", "code", "says"),
    [("Byte", "256", 1, "Byte cannot hold 256"), ("Boolean", "half", 2, "none of off, on")],
)
def test_what_the_node_cannot_take_is_told(
    command: Command, name: str, typed: str, code: int, says: str
) -> None:
    ended = command(name, typed)
    assert ended.exit_code == code
    assert says in " ".join(ended.stderr.split())
