"""The disk images that a power cut could leave, from the system calls of a program that ran under strace.

What was written and synced is there. Of what was written and not synced, nothing, all, a part, or the
beginning of a write may be there. That a file was made or removed counts as durable at once, that it was
renamed only when its folder was synced: before, the first few of the renames may have happened.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_CALLS = "openat,close,pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
_UNFINISHED, _RESUMED = "<unfinished ...>", re.compile(r" *<\.\.\. \w+ resumed>(.*)")
_LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")


@dataclass(frozen=True)
class Step:
    """One thing that happened to the disk, or a promise that was given: `number` rows are kept.

    A rename is from `path` to `to`.
    """

    kind: str
    path: str = ""
    at: int = 0
    data: bytes = b""
    number: int = 0
    to: str = ""


@dataclass
class File:
    """What is safe of a file, and what was written since and is not."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[Step] = field(default_factory=list)


@dataclass
class Disk:
    """The files by name: as the program sees them, and as a cut finds them with nothing of `renamed`."""

    seen: dict[str, File] = field(default_factory=dict)
    kept: dict[str, File] = field(default_factory=dict)
    renamed: list[Step] = field(default_factory=list)
    promised: int = 0

    def take(self, step: Step) -> None:
        """Let one step happen."""
        if step.kind == "promise":
            self.promised = step.number
        elif step.kind == "create":
            file = self.seen.setdefault(step.path, File())
            self.kept.setdefault(step.path, file)
        elif step.kind == "unlink":
            self.seen.pop(step.path, None)
            self.kept.pop(step.path, None)
        elif step.kind == "rename":
            _rename(self.seen, step)
            self.renamed.append(step)
        elif step.kind == "sync":
            file = self.seen[step.path]
            for write in file.loose:
                _apply(file.safe, write)
            file.loose.clear()
            if any(Path(rename.path).parent == Path(step.path) for rename in self.renamed):
                self.kept = dict(self.seen)
                self.renamed.clear()
        else:
            self.seen.setdefault(step.path, File()).loose.append(step)

    def after_a_cut(self, dice: random.Random, kind: str) -> dict[str, bytes]:
        """Return the files as they may be found."""
        names = dict(self.kept)
        happened = {"nothing": 0, "all": len(self.renamed)}.get(kind, dice.randint(0, len(self.renamed)))
        for rename in self.renamed[:happened]:
            _rename(names, rename)
        found = {}
        for path, file in names.items():
            content = bytearray(file.safe)
            for write in file.loose:
                if kind == "all" or (kind != "nothing" and dice.random() < 0.5):
                    torn = kind == "torn" and write.kind == "write"
                    _apply(content, write, dice.randrange(len(write.data) // SECTOR + 1) if torn else None)
            found[path] = bytes(content)
        return found


def _rename(names: dict[str, File], step: Step) -> None:
    if step.path in names:
        names[step.to] = names.pop(step.path)


def record(command: Sequence[str], folder: Path) -> list[Step]:
    """Run a Python program under strace; return what it did to the files of `folder`."""
    trace = folder.parent / "trace"
    strace = ["strace", "-f", "-xx", "-s", "1000000", "-o", str(trace), "-e", f"trace={_CALLS}"]
    subprocess.run([*strace, sys.executable, *command], check=True, stdout=subprocess.DEVNULL, timeout=120)
    return list(_steps(trace.read_text().splitlines(), str(folder)))


def _steps(lines: Sequence[str], folder: str) -> Iterator[Step]:
    files: dict[int, str] = {}
    places: dict[int, int] = {}
    for line in _ended(lines):
        match = _LINE.match(line)
        if not match or int(match[3]) < 0:
            continue
        call, text, result = match[1], match[2], int(match[3])
        strings = [bytes.fromhex(s.replace("\\x", "")) for s in re.findall(r'"([^"]*)"', text)]
        numbers = [int(n) for n in re.findall(r"(?<![\w.])(-?\d+)(?![\w.])", re.sub(r'"[^"]*"', "", text))]
        if call == "openat":
            files.pop(result, None)
            if (path := strings[0].decode()).startswith(folder):
                files[result], places[result] = path, 0
                yield Step("create", path)
        elif call == "unlink" and strings[0].decode().startswith(folder):
            yield Step("unlink", strings[0].decode())
        elif call == "rename" and strings[0].decode().startswith(folder):
            yield Step("rename", strings[0].decode(), to=strings[1].decode())
        elif call == "write" and numbers[0] == 1 and strings[0].startswith(b"kept "):
            yield Step("promise", number=int(strings[0].split()[1]))
        elif numbers and numbers[0] in files:
            path = files[numbers[0]]
            if call == "pwrite64":
                yield Step("write", path, numbers[-1], strings[0])
            elif call == "write":
                yield Step("write", path, places[numbers[0]], strings[0])
                places[numbers[0]] += result
            elif call == "ftruncate":
                yield Step("truncate", path, numbers[-1])
            elif call in ("fsync", "fdatasync"):
                yield Step("sync", path)
            elif call == "close":
                del files[numbers[0]]


def _ended(lines: Sequence[str]) -> Iterator[str]:
    """Yield every call whole, once it has ended. Strace tears it where another thread calls meanwhile."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, call = line.partition(" ")
        if call.endswith(_UNFINISHED):
            begun[thread] = call.removesuffix(_UNFINISHED)
        elif resumed := _RESUMED.match(call):
            yield begun.pop(thread) + resumed[1]
        else:
            yield line


def _apply(content: bytearray, step: Step, sectors: int | None = None) -> None:
    if step.kind == "truncate":
        del content[step.at :]
        content.extend(bytes(step.at - len(content)))
        return
    data = step.data if sectors is None else step.data[: sectors * SECTOR]
    content.extend(bytes(max(0, step.at - len(content))))
    content[step.at : step.at + len(data)] = data
