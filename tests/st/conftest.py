"""The files that `edge-agent map` writes for a configuration in order."""

import shutil
from pathlib import Path

import pytest
from agent_process import small_bundle
from click.testing import CliRunner
from st_machine import FunctionBlock

from edge_agent.cli import main

CASE = Path(__file__).parents[1] / "cases" / "active-in-order"


@pytest.fixture(scope="session")
def mapped(tmp_path_factory):
    """The folder of the files."""
    folder = shutil.copytree(CASE, tmp_path_factory.mktemp("map") / "case")
    small_bundle(folder / "small.bundle", b"no model is run here")
    ended = CliRunner().invoke(main, ["map", str(folder / "config.toml"), "-o", str(folder / "plc")])
    assert ended.exit_code == 0, ended.output
    return folder / "plc"


@pytest.fixture(scope="session")
def source(mapped):
    """The function block, as it is written."""
    return (mapped / "FB_pump.st").read_text(encoding="utf-8")


@pytest.fixture
def block(source):
    """A new instance of it, called every 100 ms if nothing else is said."""
    instance = FunctionBlock(source)
    return lambda words, cycle=100, **inputs: instance(Block=words, Cycle=cycle, **inputs)
