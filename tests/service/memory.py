"""A limit on the memory of some processes, by the kernel's own controller, and what eats up to it."""

import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

EAT = """
import os, sys
eaten = os.memfd_create("eaten")
for _ in sys.stdin:
    os.write(eaten, bytes(2**20))
    print("eaten", flush=True)
"""
"""What nobody has mapped is nobody's memory when the kernel looks for the largest."""
ENTER = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'


def _mounted() -> Path:
    """The group of the memory controller that this process is in."""
    own = re.search(r"^\d+:memory:(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    at = [m[1] for m in mounts if m[2] == "cgroup" and "memory" in m[3].split(",")]
    if own is None or not at:
        pytest.skip("the memory controller is not one of cgroups version 1")
    return Path(at[0] + own[1])


class Memory:
    """A group without a limit yet. Nothing in it once the with block ends."""

    def __init__(self) -> None:
        self._path = _mounted() / f"edge-agent-{secrets.token_hex(4)}"
        self._eater: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._path.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        for pid in self._members():
            (self._path.parent / "cgroup.procs").write_text(pid)
        self._path.rmdir()

    def take(self, pid: int) -> None:
        """Count from now on what a process and the children that it will have use."""
        (self._path / "cgroup.procs").write_text(str(pid))

    def limit(self, megabytes: int) -> None:
        """Let the group have no more than this."""
        (self._path / "memory.limit_in_bytes").write_text(f"{megabytes}M")

    def eat(self, until: Callable[[], bool]) -> None:
        """Eat until something is so, and hold it until `release`."""
        command = ["sh", "-c", ENTER, "sh", str(self._path), sys.executable, "-c", EAT]
        self._eater = eater = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert eater.stdin is not None
        assert eater.stdout is not None
        while not until():
            eater.stdin.write("1\n")
            if not eater.stdout.readline():  # the last to be taken, if that freed nothing
                break

    def release(self) -> None:
        """Give back what was eaten, and lift the limit."""
        if self._eater is not None:
            self._eater.kill()
            self._eater.communicate()
            self._eater = None
        (self._path / "memory.limit_in_bytes").write_text("-1")

    @property
    def killed(self) -> int:
        """How many processes of the group the kernel has taken."""
        told = dict(line.split() for line in (self._path / "memory.oom_control").read_text().splitlines())
        return int(told["oom_kill"])

    def _members(self) -> list[str]:
        return (self._path / "cgroup.procs").read_text().split()
