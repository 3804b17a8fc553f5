"""A 64-bit ARM processor, emulated by qemu, with Debian's Python for it and our package unpacked beside."""

import subprocess
from pathlib import Path

DEBIAN = (
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libexpat1",
    "libssl3",
    "libffi8",
    "libbz2-1.0",
    "liblzma5",
)
DEBIAN += ("libsqlite3-0", "libuuid1", "libtinfo6", "libncursesw6", "libreadline8")
CPU = """\
processor\t: 0
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
"""What Linux says of a Cortex-A72. Without it the runtime reads that of the machine below, and crashes."""


def arm64(package: Path, folder: Path, python: str = "3.11") -> Path:
    """Unpack what the package needs and the package itself; return a Python of it that runs here."""
    root = folder / "root"
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(CPU)
    names = [f"python{python}-minimal", f"libpython{python}-minimal", f"libpython{python}-stdlib", *DEBIAN]
    for debian in [*download(folder, names, "arm64"), package]:
        _run("dpkg-deb", "--extract", debian, root)
    runner = folder / "python"
    packages = root / f"usr/lib/edge-agent/lib/python{python}/site-packages"
    runner.write_text(
        f"#!/bin/sh\nexec qemu-aarch64-static -L {root} -E PYTHONHOME={root}/usr -E PYTHONPATH={packages} "
        f'{root}/usr/bin/python{python} "$@"\n'
    )
    runner.chmod(0o755)
    return runner


def download(folder: Path, names: list[str], arch: str) -> list[Path]:
    """Fetch packages of Debian's for `arch`, without making this machine one that knows it."""
    for part in ("lists/partial", "cache/archives/partial", "packages"):
        (folder / part).mkdir(parents=True)
    settings = {
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": folder / "cache",
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]
    _run(*apt, "update")
    _run(*apt, "download", *names, cwd=folder / "packages")
    return sorted((folder / "packages").glob("*.deb"))


def _run(*command: object, cwd: Path | None = None) -> None:
    done = subprocess.run(
        [*map(str, command)], check=False, capture_output=True, text=True, cwd=cwd, timeout=120
    )
    assert done.returncode == 0, done.stderr
