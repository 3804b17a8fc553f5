"""A limit on the memory of some processes, by cgroups of either version, and what eats up to it."""

import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Names:
    """What one version of cgroups calls it all."""

    entry: str
    """Of the memory controller in /proc/PID/cgroup, as a pattern."""
    mount: str
    limit: str
    unlimited: str
    kills: str


V1 = Names(
    r"^\d+:memory:(.*)$",
    r"^\S+ (\S+) cgroup \S*\bmemory\b",
    "memory.limit_in_bytes",
    "-1",
    "memory.oom_control",
)
V2 = Names(r"^0::(.*)$", r"^\S+ (\S+) cgroup2 ", "memory.max", "max", "memory.events")


def _group(names: Names, pid: int | str) -> Path | None:
    """The group that a process is in; None if that version does not have the memory of this machine."""
    of = re.search(names.entry, Path(f"/proc/{pid}/cgroup").read_text(), re.MULTILINE)
    at = re.search(names.mount, Path("/proc/self/mounts").read_text(), re.MULTILINE)
    return Path(at[1] + of[1].rstrip("/")) if of and at else None


def _parent() -> tuple[Names, Path]:
    """A group below which another one may limit memory."""
    if own := _group(V1, "self"):
        return V1, own
    own = _group(V2, "self")
    for group in (own, *own.parents) if own else ():
        given = group / "cgroup.subtree_control"
        if given.exists() and "memory" in given.read_text().split():
            return V2, group
    pytest.skip("no group of processes that this machine shows may limit their memory")


class Memory:
    """A group without a limit yet. What is in it goes back to where it was once the with block ends."""

    def __init__(self) -> None:
        self._names, parent = _parent()
        self._path = parent / f"edge-agent-{secrets.token_hex(4)}"
        self._origin = parent
        self._eater: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._path.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        for pid in self._members():
            (self._origin / "cgroup.procs").write_text(pid)
        self._path.rmdir()

    def take(self, pid: int) -> None:
        """Count from now on what a process and the children that it will have use."""
        self._origin = _group(self._names, pid) or self._origin
        (self._path / "cgroup.procs").write_text(str(pid))

    def limit(self, megabytes: int) -> None:
        """Let the group have no more than this."""
        (self._path / self._names.limit).write_text(str(megabytes * 2**20))

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
        (self._path / self._names.limit).write_text(self._names.unlimited)

    @property
    def killed(self) -> int:
        """How many processes of the group the kernel has taken."""
        told = dict(line.split() for line in (self._path / self._names.kills).read_text().splitlines())
        return int(told["oom_kill"])

    def _members(self) -> list[str]:
        return (self._path / "cgroup.procs").read_text().split()
