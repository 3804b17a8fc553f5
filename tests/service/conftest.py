"""The package as it is built, and a machine under a real systemd that has it installed."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import until
from box import Box
from packages import offline_archive

PACKAGE = "/opt/edge-agent.deb"
PYTHON = "/usr/lib/edge-agent/bin/python"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once for all processes that the tests run in."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    out = folder / "amd64"
    with (folder / "amd64.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        built = [*out.glob("*.tar")]
        return built[0] if built else offline_archive(out, "amd64")


@pytest.fixture(scope="session")
def package(archive: Path) -> Path:
    (built,) = archive.parent.glob("edge-agent_*.deb")
    return built


@pytest.fixture(scope="module")
def installed(package: Path) -> Iterator[Box]:
    """A box with the package, a plant beside it, and the example as its configuration, writing."""
    with Box({package: PACKAGE}) as box:
        box.run("dpkg", "--install", PACKAGE)
        box.run("systemd-run", "--unit=plant", PYTHON, "-I", "-m", "edge_agent.plant", "serve")
        until(lambda: "opcua_port" in box.journal("plant"), "the plant", 60)
        box.run(
            "sh", "-c", "cp /etc/edge-agent/example/*.csv /etc/edge-agent/example/*.bundle /etc/edge-agent/"
        )
        example = box.run("cat", "/etc/edge-agent/example/agent.toml")
        assert 'mode = "shadow"' in example
        box.write("/etc/edge-agent/agent.toml", example.replace('mode = "shadow"', 'mode = "advisory"'))
        yield box
