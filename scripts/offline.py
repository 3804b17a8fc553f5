"""Build the archive for a plant without a network: package, wheels, documents and checksums.

    python scripts/offline.py --arch amd64 --out dist

`INSTALL.md` in it says what to do on the gateway.
"""

import argparse
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

import deb
import parquet

INSTALL = """# Install without a network

    sha256sum --check --quiet SHA256SUMS
    sudo apt install ./{package}

and, for history as Parquet, which takes as much room again:

    sudo apt install ./{parquet}

or into an environment of your own, with Python {python}:

    python3 -m venv /opt/edge-agent
    /opt/edge-agent/bin/pip install --no-index --find-links wheels edge-agent       or "edge-agent[parquet]"

Then go on with docs/operations.md.
"""


def main() -> None:
    """Build one archive and print its path."""
    options = deb.options(__doc__.partition("\n")[0])
    package = deb.build(options)
    extra = parquet.build(options, package.name.split("_")[1])
    name = package.stem.replace("_", "-")
    with tempfile.TemporaryDirectory(prefix="edge-agent-offline-") as folder:
        root = Path(folder) / name
        deb.copy_documents(root)
        shutil.copy(package, root)
        shutil.copy(extra, root)
        _wheels(root / "wheels", options)
        text = INSTALL.format(package=package.name, parquet=extra.name, python=options.python)
        (root / "INSTALL.md").write_text(text)
        files = sorted(p for p in root.rglob("*") if p.is_file())
        sums = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(root)}\n" for p in files)
        (root / "SHA256SUMS").write_text("".join(sums))
        archive = options.out / f"{name}.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root, name)
    print(archive)  # noqa: T201


def _wheels(folder: Path, options: argparse.Namespace) -> None:
    """Put the agent's wheel and every locked one of this platform into a folder."""
    deb.wheel(folder)
    locked = folder / "locked.txt"
    deb.export(locked, "parquet")
    # pip takes the names of platforms one by one: a wheel for an older libc is good, too.
    machine = deb.PLATFORMS[options.arch].partition("-")[0]
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]
    platforms += [f"--platform=manylinux2014_{machine}", f"--platform=manylinux1_{machine}"]
    deb.uv(
        *("run", "--no-project", "--quiet", "--python", options.python, "--with", "pip"),
        *("python", "-m", "pip", "download", "--quiet"),
        *("--disable-pip-version-check", "--only-binary=:all:", "--no-deps", "--require-hashes"),
        *(*platforms, f"--python-version={options.python}", "-d", folder, "-r", locked),
    )
    locked.unlink()


if __name__ == "__main__":
    main()
