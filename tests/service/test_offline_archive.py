"""What is handed to a plant without a network installs there, and is for the processor it names."""

import re
import subprocess
import tarfile
from pathlib import Path

import links
import pytest
from agent_process import Plc, until
from box import Box
from emulated import arm64
from packages import offline_archive
from plc_line import ADVISORY
from sources import ROOT
from unit import CONFIG, PYTHON, results

from edge_agent.plant.process import PlantProcess

READ = "import sys, pyarrow.parquet; print(pyarrow.parquet.read_table(sys.argv[1]))"
PLANT = f"systemd-run --unit=plant {PYTHON} -I -m edge_agent.plant serve"
SHADOW, ADVISED = 'mode = "shadow"', 'mode = "advisory"'
AARCH64 = 183
"""The number of 64-bit ARM in an ELF header (ELF for the Arm 64-bit Architecture, 5.2)."""

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(600)]


def walk() -> list[str]:
    """The commands of docs/operations.md from the archive to the first result, and the line to change."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    install = text.partition("## Install")[2].partition("The archive holds")[0]
    first = text.partition("## From nothing to the first result")[2].partition("All of it,")[0]
    shown = (a or b for a, b in re.findall(r"^    (\S.*)$|`([^`\n]+)`", install + first, re.MULTILINE))
    commands = [re.split(r"\s{3,}", text)[0].removeprefix("sudo ") for text in shown]
    return [command for command in commands if " " in command and not command[0].isdigit()]


def test_the_walk_of_the_documents_leads_to_results_where_there_is_no_network(archive: Path) -> None:
    with Box({archive: f"/opt/{archive.name}"}) as box:
        assert box.run("ip", "route") == ""
        commands = walk()
        assert len(commands) == 14, "as the document counts them"
        plant, change = commands.index(PLANT) + 1, commands.index(ADVISED)
        box.run("sh", "-ec", "cd /opt\n" + "\n".join(commands[:plant]))
        until(lambda: "opcua_port" in box.journal("plant"), "the plant: a person takes longer", 60)
        box.run("sh", "-ec", "\n".join(commands[plant:change]))
        box.write(CONFIG, box.run("cat", CONFIG).replace(SHADOW, ADVISED))
        box.run("sh", "-ec", "\n".join(commands[change + 1 :]))
        results(box)

        folder = f"/opt/{archive.stem}"
        export = ("edge-agent", "history", "export", CONFIG, "events", "-o", "/opt/events.parquet")
        assert "install the package edge-agent-parquet" in box.run(
            "sh", "-c", '"$@" 2>&1 || :', "sh", *export
        )
        box.run("sh", "-c", f"apt-get install --yes {folder}/edge-agent-parquet_*.deb")
        box.run(*export)
        assert "started" in box.run(PYTHON, "-I", "-c", READ, "/opt/events.parquet")

        box.run("python3", "-m", "venv", "/opt/own")
        wheels = ("--no-index", "--find-links", f"{folder}/wheels")
        box.run("/opt/own/bin/pip", "install", "--quiet", *wheels, "edge-agent", seconds=240)
        assert box.run("/opt/own/bin/edge-agent", "check", CONFIG).splitlines()[-1] == "ok"


@pytest.fixture(scope="module")
def arm_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return offline_archive(tmp_path_factory.mktemp("arm64"), "arm64")


@pytest.fixture(scope="module")
def arm_package(arm_archive: Path) -> Path:
    (package,) = arm_archive.parent.glob("edge-agent_*.deb")
    return package


def test_the_package_for_arm_holds_nothing_for_another_processor(
    arm_archive: Path, arm_package: Path, tmp_path: Path
) -> None:
    with tarfile.open(arm_archive) as tar:
        wheels = [name for name in tar.getnames() if name.endswith(".whl")]
    assert all(any(wanted in name for name in wheels) for wanted in ("ai_edge_litert", "pyarrow"))
    assert all(name.endswith(("-any.whl", "aarch64.whl")) for name in wheels)
    for package in arm_package.parent.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "tree"], check=True)
    assert links.dead(tmp_path / "tree/usr/share/doc/edge-agent") == []
    unit = (tmp_path / "tree/lib/systemd/system/edge-agent.service").read_text()
    (manual,) = re.findall(r"^Documentation=file:/(.+)$", unit, re.MULTILINE)
    assert (tmp_path / "tree" / manual).exists()
    libraries = [*(tmp_path / "tree").rglob("*.so"), *(tmp_path / "tree").rglob("*.so.*")]
    assert len(libraries) > 20
    for library in libraries:
        head = library.read_bytes()[:20]
        assert (head[:4], int.from_bytes(head[18:20], "little")) == (b"\x7fELF", AARCH64), library
    described = subprocess.run(
        ["dpkg-deb", "--field", arm_package, "Architecture"], check=True, capture_output=True, text=True
    )
    assert described.stdout.strip() == "arm64"


def test_the_package_for_arm_proves_its_model_and_writes_its_results(
    arm_package: Path, tmp_path: Path
) -> None:
    python = arm64(arm_package, tmp_path)
    with PlantProcess() as plant:
        example = tmp_path / "root/etc/edge-agent/example"
        config = example / "agent.toml"
        text = config.read_text().replace('mode = "shadow"', 'mode = "advisory"')
        text = text.replace("15020", str(plant.modbus_port)).replace("24840", str(plant.opcua_port))
        config.write_text(text.replace("/var/lib/edge-agent", str(tmp_path / "state")))
        command = [python, Path(__file__).with_name("run_emulated.py"), python, "run", config]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
            try:
                plc = Plc(plant.modbus_port)
                until(lambda: plc.frame().state == ADVISORY, "results of an emulated processor", 240)
                assert plc.frame().score < 0.5
            finally:
                agent.terminate()
                log = agent.communicate(timeout=60)[1]
    assert agent.returncode == 0, log
    assert "known answers proven on ai-edge-litert" in log
