"""Build the Debian package: the agent in an environment of its own, its unit, its documents.

    python scripts/deb.py --arch amd64 --out dist

Everything comes from the lock file. The package is for one minor version of Debian's Python, by default
that of this machine's /usr/bin/python3; no pip runs on the gateway.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOME = "usr/lib/edge-agent"
PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
DOCUMENTS = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs",
    "examples",
    "bench/RESULTS.md",
    "edge_agent/plant/plc.py",
    "edge_agent/config/units.txt",
    "edge_agent/profiles/README.md",
)
"""What people read, and what that links to, as it lies in the sources: the links lead there."""
INSTALLED = {
    "../../edge_agent/demo/bearing.bundle": "bearing.bundle",
    "../../build/bearing/state": "/var/lib/edge-agent",
}
"""Paths of the example in the sources, and what they are once it is installed."""

LAUNCHER = f"""#!/bin/sh
exec /{HOME}/bin/python -I -m edge_agent "$@"
"""

CONTROL = """Package: edge-agent
Version: {version}
Architecture: {arch}
Maintainer: edge-agent <edge-agent@localhost>
Installed-Size: {kilobytes}
Depends: python3 (>= {python}), python3 (<< {next_python}), libc6 (>= 2.28), libstdc++6
Section: misc
Priority: optional
Description: a neural network beside the machine
 Reads PLCs over Modbus and OPC UA, runs a model bundle on this box and
 writes the result into PLC registers. Shadow mode is the default.
"""

POSTINST = """#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # After an upgrade the new version runs at once; a stopped service stays stopped.
    [ -z "$2" ] || systemctl try-restart edge-agent.service
fi
if [ "$1" = configure ] && [ ! -e /etc/edge-agent/agent.toml ]; then
    echo "edge-agent: copy /etc/edge-agent/example to your needs as /etc/edge-agent/agent.toml,"
    echo "then: edge-agent check /etc/edge-agent/agent.toml && systemctl enable --now edge-agent"
fi
"""

PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now edge-agent.service || true
fi
"""

POSTRM = """#!/bin/sh
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/private/edge-agent /etc/edge-agent
    rm -f /var/lib/edge-agent
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
"""


def main() -> None:
    """Build one package and print its path."""
    print(build(options(__doc__.partition("\n")[0])))  # noqa: T201


def options(about: str) -> argparse.Namespace:
    """Read the command line; make the folder for what is built."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--arch", choices=PLATFORMS, default="amd64")
    parser.add_argument("--python", default=_system_python(), help="minor version, such as 3.11")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    found = parser.parse_args()
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def build(options: argparse.Namespace) -> Path:
    """Build the package and return its path."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-deb-") as name:
        tree = Path(name) / "tree"
        tree.mkdir()
        version = _environment(tree, options)
        _files(tree)
        scripts = {"postinst": POSTINST, "prerm": PRERM, "postrm": POSTRM}
        return pack(tree, options, "edge-agent", version, control=CONTROL, scripts=scripts)


def wheel(folder: Path) -> Path:
    """Build the agent's wheel into a folder."""
    uv("build", "--quiet", "--wheel", "--out-dir", folder)
    (built,) = folder.glob("edge_agent-*.whl")
    return built


def export(file: Path, *extras: str) -> None:
    """Write what the gateway needs, as locked, with hashes."""
    asked = [word for extra in ("fast", *extras) for word in ("--extra", extra)]
    uv("export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", *asked, "-o", file)


def install(tree: Path, options: argparse.Namespace, *what: object) -> Path:
    """Install wheels, without what they depend on, where the environment has them; return that folder."""
    packages = tree / HOME / "lib" / f"python{options.python}" / "site-packages"
    packages.mkdir(parents=True, exist_ok=True)
    # Hard links to a cache would be counted twice by nobody, but a package must own its files.
    uv("pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy",
        "--target", packages, "--python", options.python, "--python-platform", PLATFORMS[options.arch],
        *what, cwd=tree)  # fmt: skip
    (packages / ".lock").unlink(missing_ok=True)  # uv's own, and no two packages may have the same file
    return packages


def compile_all(tree: Path, options: argparse.Namespace) -> None:
    """Compile what was installed; no interpreter may write there later.

    Checked by content, not by time, so that unpacking on a box with a wrong clock costs no start-up time.
    """
    uv("run", "--no-project", "--python", options.python, "python", "-m", "compileall", "-q", "-j0",
        "--invalidation-mode", "unchecked-hash", "-s", tree, "-p", "/", tree / HOME)  # fmt: skip


def _environment(tree: Path, options: argparse.Namespace) -> str:
    """Put the interpreter's link and every locked wheel in place; return the agent's version."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-wheel-") as name:
        built, locked = wheel(Path(name)), Path(name) / "locked.txt"
        export(locked)
        packages = install(tree, options, "--require-hashes", "-r", locked)
        install(tree, options, built)
        version = built.name.split("-")[1]
    shutil.rmtree(packages / "bin", ignore_errors=True)
    compile_all(tree, options)
    home = tree / HOME
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(f"/usr/bin/python{options.python}")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    return version


def _files(tree: Path) -> None:
    _put(tree / "usr/bin/edge-agent", LAUNCHER, 0o755)
    _put(tree / "lib/systemd/system/edge-agent.service", (ROOT / "systemd/edge-agent.service").read_text())
    documents = tree / "usr/share/doc/edge-agent"
    copy_documents(documents)
    _put(documents / "serial.conf", (ROOT / "systemd/serial.conf").read_text())
    _put(documents / "copyright", (ROOT / "LICENSE").read_text())
    for file in ("agent.toml", "tags-plc.csv", "tags-scada.csv"):
        text = (ROOT / "examples/bearing" / file).read_text()
        for here, installed in INSTALLED.items():
            text = text.replace(here, installed)
        _put(tree / "etc/edge-agent/example" / file, text)
    shutil.copyfile(ROOT / "edge_agent/demo/bearing.bundle", tree / "etc/edge-agent/example/bearing.bundle")


def copy_documents(out: Path) -> None:
    """Copy all that people read to a folder."""
    for name in DOCUMENTS:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, out / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, out / name)


def pack(
    tree: Path, options: argparse.Namespace, name: str, version: str, *, control: str, scripts: dict[str, str]
) -> Path:
    """Make a package of a tree; `control` has places for what is known of it."""
    folder = tree / "DEBIAN"
    files = sorted(p for p in tree.rglob("*") if p.is_file() and not p.is_symlink())
    sums = (f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(tree)}\n" for p in files)  # noqa: S324
    major, minor = options.python.split(".")
    text = control.format(
        version=version,
        arch=options.arch,
        python=options.python,
        next_python=f"{major}.{int(minor) + 1}",
        kilobytes=sum(p.stat().st_size for p in files) // 1024,
    )
    _put(folder / "md5sums", "".join(sums))
    _put(folder / "control", text)
    configuration = "".join(f"/{p.relative_to(tree)}\n" for p in files if p.is_relative_to(tree / "etc"))
    if configuration:
        _put(folder / "conffiles", configuration)
    for script, content in scripts.items():
        _put(folder / script, content, 0o755)
    package: Path = options.out / f"{name}_{version}_{options.arch}_python{options.python}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z6", "--build", tree, package)
    return package


def _put(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def _system_python() -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run(["/usr/bin/python3", "-c", code], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def uv(*arguments: object, cwd: Path = ROOT) -> None:
    """Run uv, or end with what it said. In `ROOT` it obeys the project's own settings."""
    _run(os.environ.get("UV") or shutil.which("uv") or ROOT / ".cache/uv/bin/uv", *arguments, cwd=cwd)


def _run(*command: object, cwd: Path = ROOT) -> None:
    done = subprocess.run([str(p) for p in command], check=False, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
