"""What is handed to a plant without a network installs there, and is for the processor it names."""

import subprocess
import tarfile
from pathlib import Path

import pytest
from box import Box
from packages import offline_archive

AARCH64 = 183
"""The number of 64-bit ARM in an ELF header (ELF for the Arm 64-bit Architecture, 5.2)."""

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]


def test_it_installs_where_there_is_no_network(archive: Path) -> None:
    with Box({archive: "/opt/archive.tar"}) as box:
        assert box.run("ip", "route") == ""
        box.run("tar", "-xf", "/opt/archive.tar", "-C", "/opt")
        folder = f"/opt/{archive.stem}"
        box.run("sh", "-c", f"cd {folder} && sha256sum --check --quiet SHA256SUMS")
        box.run("sh", "-c", f"dpkg --install {folder}/*.deb")
        assert box.run("edge-agent", "--version").strip()
        box.run("python3", "-m", "venv", "/opt/own")
        wheels = ("--no-index", "--find-links", f"{folder}/wheels")
        box.run("/opt/own/bin/pip", "install", "--quiet", *wheels, "edge-agent", seconds=240)
        example = "/etc/edge-agent/example/agent.toml"
        assert box.run("/opt/own/bin/edge-agent", "check", example).splitlines()[-1] == "ok"


def test_the_package_for_arm_holds_nothing_for_another_processor(tmp_path: Path) -> None:
    archive = offline_archive(tmp_path, "arm64")
    with tarfile.open(archive) as tar:
        wheels = [name for name in tar.getnames() if name.endswith(".whl")]
    assert any("ai_edge_litert" in name for name in wheels)
    assert all(name.endswith(("-any.whl", "aarch64.whl")) for name in wheels)
    (package,) = tmp_path.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "tree"], check=True)
    libraries = [*(tmp_path / "tree").rglob("*.so"), *(tmp_path / "tree").rglob("*.so.*")]
    assert len(libraries) > 20
    for library in libraries:
        head = library.read_bytes()[:20]
        assert (head[:4], int.from_bytes(head[18:20], "little")) == (b"\x7fELF", AARCH64), library
    described = subprocess.run(
        ["dpkg-deb", "--field", package, "Architecture"], check=True, capture_output=True, text=True
    )
    assert described.stdout.strip() == "arm64"
