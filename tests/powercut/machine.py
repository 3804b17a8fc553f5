"""A machine that can be cut off: qemu without KVM, Debian's kernel, a disk of ours with ext4."""

import re
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from emulated import DEBIAN, download

SYSTEM = ("dash", "libc-bin")
ROOT, STATE = "1500M", "800M"
BOOT = "console=ttyS0 quiet panic=-1 root=/dev/nvme0n1 ro init=/usr/lib/edge-agent/bin/python -- -I /guest.py"


def run(*command: object) -> str:
    done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build(folder: Path, package: Path, python: str = "3.11") -> None:
    """Make the kernel and the disk with Python, the package and `guest.py` on it."""
    tree = folder / "tree"
    names = [f"python{python}-minimal", f"libpython{python}-minimal", f"libpython{python}-stdlib"]
    for debian in [*download(folder, [*names, *SYSTEM, *DEBIAN], "amd64"), package]:
        run("dpkg-deb", "--extract", debian, tree)
    (tree / "guest.py").write_bytes(Path(__file__).with_name("guest.py").read_bytes())
    for place in ("proc", "sys", "tmp", "run", "dev", "var/lib/edge-agent"):
        (tree / place).mkdir(parents=True, exist_ok=True)
    (kernel,) = download(folder / "kernel", [_kernel()], "amd64")
    run("dpkg-deb", "--extract", kernel, folder / "kernel/tree")
    (image,) = (folder / "kernel/tree/boot").glob("vmlinuz-*")
    image.rename(folder / "vmlinuz")
    _disk(folder / "root.img", ROOT, "-d", tree)
    _disk(folder / "state.img", STATE)


def _kernel() -> str:
    said = run("apt-cache", "depends", "linux-image-cloud-amd64")
    found = re.search(r"Depends: (linux-image-\S+)", said)
    assert found is not None, said
    return found[1]


def _disk(path: Path, size: str, *options: object) -> None:
    path.unlink(missing_ok=True)
    run("mke2fs", "-q", "-t", "ext4", *options, path, size)


class Machine:
    """Runs for the length of a with block, whose end cuts its power. `said` is what its console said.

    `words` are the arguments of `guest.py`.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self._folder, self._words = folder, words
        self.said: list[str] = []

    def __enter__(self) -> Self:
        drives = []
        for number, name in enumerate(("root", "state")):
            drives += [
                "-drive",
                f"if=none,id={name},format=raw,cache=writeback,file={self._folder}/{name}.img",
            ]
            drives += ["-device", f"nvme,serial={number},drive={name}"]
        command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024"]
        command += [
            "-nographic",
            "-no-reboot",
            "-nic",
            "none",
            *drives,
            "-kernel",
            str(self._folder / "vmlinuz"),
        ]
        command += ["-append", " ".join([BOOT, *self._words])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def promised(self, what: str) -> int:
        """The last number that was said of `what`; a line that was cut off is not counted."""
        found = [line.split()[1] for line in self.said if re.fullmatch(rf"{what} \d+", line)]
        return int(found[-1]) if found else 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                self.said.append(line.decode(errors="replace").strip())
