"""What `make dist` hands out is whole: the wheel that pip installs, the sources that others build from."""

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from sources import ROOT

pytestmark = pytest.mark.timeout(300)
STATIC = "edge_agent/web/static"
CHARTS = {f"{STATIC}/vendor/{name}" for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE", "VERSION")}


def make(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run `make dist`, without the archives for plants, which tests of their own install."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "dist", f"DIST={out}", "ARCHES="]
    return subprocess.run(command, cwd=folder, env=outside, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    made = make(ROOT, out)
    assert made.returncode == 0, made.stdout + made.stderr
    return out


@pytest.fixture(scope="module")
def unpacked(dist: Path) -> Path:
    """The sources, as they are handed out."""
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(dist, filter="data")
    return dist / archive.name.removesuffix(".tar.gz")


def test_the_wheel_has_all_that_the_package_has_in_the_sources(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name for name in packed.namelist() if "dist-info" not in name}
    here = {
        str(path.relative_to(ROOT))
        for package in ("edge_agent", "converter")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here >= CHARTS
    assert inside == here


def test_the_sources_have_the_charts_too(unpacked: Path) -> None:
    vendor = {str(path.relative_to(unpacked)) for path in (unpacked / STATIC / "vendor").iterdir()}
    assert vendor == CHARTS
    assert not {".cache", ".venv", "dist"} & {path.name for path in unpacked.iterdir()}


def test_without_charts_nothing_is_built(unpacked: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(unpacked, bare)
    shutil.rmtree(bare / STATIC / "vendor")
    uv = os.environ.get("UV") or shutil.which("uv") or ROOT / ".cache/uv/bin/uv"
    for kind in ("--sdist", "--wheel"):
        built = subprocess.run(
            [uv, "build", kind, "--out-dir", tmp_path / "out"],
            cwd=bare,
            check=False,
            capture_output=True,
            text=True,
        )
        assert built.returncode != 0
        assert "the operator page would have no charts; scripts/web_assets" in built.stderr
        assert not [*(tmp_path / "out").glob("edge_agent*")]
