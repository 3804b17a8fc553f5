"""Configurations from the office, in the state folder: whole ones beside each other, at most one active.

    state/configurations/1795487889010-1f2e3d4c5b6a/config.toml     and the tag files that it names
    state/configurations/store.json                                 see `bundles.record.Record`

An active one gives the gateway its links, devices and machines instead of those of its own file.
"""

import re
import shutil
from pathlib import Path

import msgspec

from edge_agent import durable
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Recorded

FOLDER, MAIN = "configurations", "config.toml"
LARGEST, MOST_FILES = 4_000_000, 100
SPARE = 3
"""Configurations that are kept beside those that the record names."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}")
"""A file's: it is in no other folder, and not hidden."""
_VERSION = re.compile(r"(\d+)-[0-9a-f]{12}")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration as one file: the contents of `config.toml` and of its tag files, by name."""

    sequence: int
    files: dict[str, bytes]


class BadFiles(Exception):
    """These cannot be the files of a configuration; the text says why."""


def checked(document: Document) -> Document:
    """Return the document if its files can be kept. Raises `BadFiles`."""
    if MAIN not in document.files:
        raise BadFiles(f"there is no {MAIN}")
    if len(document.files) > MOST_FILES:
        raise BadFiles(f"{len(document.files)} files are too many; {MOST_FILES} at most")
    for name in document.files:
        if not NAME.fullmatch(name):
            raise BadFiles(f"{name!r} cannot be the name of a file beside {MAIN}")
    return document


def sequence_of(folder: str) -> int:
    """Return the sequence of a configuration's folder by its name, 0 for any other folder."""
    match = _VERSION.fullmatch(folder)
    return int(match[1]) if match else 0


class Configurations(Recorded):
    """Those of a state folder."""

    def __init__(self, state: Path) -> None:
        super().__init__(state / FOLDER, "no configuration of the office is here")

    def active(self) -> Path | None:
        """Return the folder of the active one. Raises `StoreError`."""
        file = self.record().active
        return self.folder / file if file else None

    def keep(self, document: Document, sha256: str) -> Path:
        """Keep a document's files in a folder of their own, which is there whole or not at all.

        Raises `BadFiles`, `StoreError`, OSError.
        """
        folder = self.folder / f"{document.sequence}-{sha256[:12]}"
        with self._locked(make=True):
            record = self.record()
            if not folder.is_dir():
                beside = self.folder / ".new"
                shutil.rmtree(beside, ignore_errors=True)
                durable.folder(beside)
                for file, data in checked(document).files.items():
                    durable.replace(beside / file, data)
                beside.rename(folder)
                durable.sync(self.folder)
            self._write(record)
            self._prune(record, folder.name)
        return folder

    def leave(self, who: str) -> int:
        """Go back to the gateway's own; return what was left, 0 for nothing. Raises `StoreError`, OSError."""
        left = sequence_of(self.record().active)
        if left:
            with self.changing() as record:
                record.active = record.previous = ""
                record.tell(who, f"left {left} for the gateway's own")
        return left

    def _prune(self, record: Record, newest: str) -> None:
        kept = {record.active, record.previous, newest}
        there = sorted(path.name for path in self.folder.iterdir() if _VERSION.fullmatch(path.name))
        for name in [name for name in there if name not in kept][:-SPARE]:
            shutil.rmtree(self.folder / name)
