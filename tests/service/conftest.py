"""The package as it is built, and a machine under a real systemd that has it installed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_process import until
from box import Box

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "/opt/edge-agent.deb"
PYTHON = "/usr/lib/edge-agent/bin/python"


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, ROOT / "scripts/deb.py", "--out", out], check=False, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return Path(built.stdout.strip())


@pytest.fixture(scope="session")
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
