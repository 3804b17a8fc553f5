"""A real systemd as PID 1, in a container over this machine's own root.

Every write goes to an overlay in memory that is gone with the box. It has a network of its own with
nothing but loopback. Needs root and systemd-nspawn.
"""

import os
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

BOOT = 60.0
"""Seconds that a boot may take on a busy machine; it takes half of one."""
SETUP = """
mkdir -p "$1" && mount --bind / "$1" && root=$1 && shift &&
exec systemd-nspawn --quiet --directory="$root" --volatile=overlay --register=no --keep-unit \
    --private-network --console=read-only "$@" --boot systemd.firstboot=off systemd.unit=basic.target
"""
_ENTER = ("nsenter", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup")
_CLEAN = ("env", "-i", "SYSTEMD_PAGER=", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8")


class Box:
    """Boot on entering, power off on leaving. `seen` are paths of this machine shown inside, read-only."""

    def __init__(self, seen: dict[Path, str]) -> None:
        self._binds = [f"--bind-ro={here}:{there}" for here, there in seen.items()]
        self._root = Path(f"/run/box-{secrets.token_hex(4)}")
        self._root.mkdir()
        self._pid = 0

    def __enter__(self) -> Self:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP, "box"]
        self._log = tempfile.TemporaryFile("w+")
        self._nspawn = subprocess.Popen(
            [*command, str(self._root), f"--machine={self._root.name}", *self._binds],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
        deadline = time.monotonic() + BOOT
        while not self._booted():
            if self._nspawn.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                said = self._log.read()
                self.__exit__(None, None, None)
                raise AssertionError(f"systemd did not boot: {said}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid and self._nspawn.poll() is None:
            self.run("systemctl", "exit", "0", check=False)
        try:
            self._nspawn.wait(20)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(10)
        self._log.close()
        self._root.rmdir()

    def run(self, *command: object, check: bool = True, seconds: float = 120.0) -> str:
        """Run a command inside and return what it printed. One that fails fails the test."""
        done = subprocess.run(
            [*_ENTER, "--target", str(self._pid), *_CLEAN, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file inside."""
        into = f"mkdir -p $(dirname {path}) && cat >{path}"
        subprocess.run(
            [*_ENTER, "--target", str(self._pid), *_CLEAN, "sh", "-c", into],
            input=text,
            text=True,
            check=True,
            timeout=30,
        )  # fmt: skip

    def unit(self, name: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit."""
        lines = self.run("systemctl", "show", name, "--property", ",".join(properties)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def becomes(self, name: str, seconds: float = 60.0, **wanted: str) -> None:
        """Wait until a unit has these properties; the journal is told where it does not get them."""
        deadline = time.monotonic() + seconds
        while (found := self.unit(name, *wanted)) != wanted:
            assert time.monotonic() < deadline, f"{name}: {found}, not {wanted}\n{self.journal(name)}"
            time.sleep(0.1)

    def journal(self, name: str, lines: int = 60) -> str:
        """Return the last lines that a unit logged."""
        return self.run("journalctl", "--unit", name, "--lines", lines, "--output", "cat")

    def children(self, pid: int) -> Sequence[int]:
        """Return the children of a process, by the numbers that the box gives them."""
        found = self.run("ps", "--ppid", pid, "-o", "pid=", check=False)
        return [int(word) for word in found.split()]

    def outside(self, pid: int) -> int:
        """Return the number that this machine gives a process of the box."""
        namespace = Path(f"/proc/{self._pid}/ns/pid").readlink()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                inside = re.search(r"NSpid:.*\b(\d+)\n", (process / "status").read_text())
                if inside and int(inside[1]) == pid and (process / "ns/pid").readlink() == namespace:
                    return int(process.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
        raise AssertionError(f"the box has no process {pid}")

    def _booted(self) -> bool:
        self._pid = self._pid or self._leader()
        if not self._pid:
            return False
        state = self.run("systemctl", "is-system-running", check=False).strip()
        return state in ("running", "degraded")

    def _leader(self) -> int:
        """The container's PID 1 is the child of nspawn that calls itself 1 inside."""
        listed = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for pid in listed.read_text().split() if listed.exists() else ():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            if fields["Name"] == "systemd" and fields["NSpid"].split()[-1] == "1":
                return int(pid)
        return 0
