"""The store of one bundle name, in the state folder: immutable versions, and one small file beside them.

    state/bundles/NAME/000003-1f2e3d4c5b6a.bundle     sequence and beginning of the SHA-256
    state/bundles/NAME/store.json                     see `record.Record`

That file is replaced as a whole, so a power cut leaves the state before or the state after, never half of it.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_agent import durable
from edge_agent.bundle import Bundle
from edge_agent.bundles.record import Record

FOLDER, FILE = "bundles", "store.json"
SPARE = 5
"""Versions that are kept beside those that the record names."""
LOCK_DEADLINE = 5.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VERSION = re.compile(r"(\d{6,})-[0-9a-f]{12}\.bundle")


class StoreError(Exception):
    """The store cannot or must not do what was asked; the text says why and what to do."""


class NotNow(StoreError):
    """It may well be done a little later."""


class Recorded:
    """A folder of versions with a record of them. Every change is on the disk once the call returns."""

    def __init__(self, folder: Path, empty: str) -> None:
        self.folder, self._empty = folder, empty

    def read(self) -> Record:
        """Return what is remembered. Raises `StoreError`, also if nothing was ever installed."""
        path = self.folder / FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            raise StoreError(f"{self.folder}: {self._empty}") from None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}: damaged ({error}); remove it and install again") from None

    @contextmanager
    def changing(self) -> Iterator[Record]:
        """Give the record to be changed; it is written if the block ends well. Raises as `read`, OSError."""
        with self._locked():
            record = self.read()
            before = msgspec.json.encode(record)
            yield record
            if msgspec.json.encode(record) != before:
                self._write(record)

    def record(self) -> Record:
        """Return what is remembered; a new record if there is nothing. Raises `StoreError`."""
        return self.read() if (self.folder / FILE).exists() else Record()

    def _write(self, record: Record) -> None:
        durable.replace(self.folder / FILE, msgspec.json.format(msgspec.json.encode(record), indent=2))

    @contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[None]:
        """Keep other processes from changing this store."""
        if make:
            durable.folder(self.folder)
        try:
            opened = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise StoreError(f"{self.folder}: {self._empty}") from None
        try:
            _lock(opened, self.folder)
            yield
        finally:
            os.close(opened)


class Store(Recorded):
    """The versions of the bundle `name`."""

    def __init__(self, state: Path, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise StoreError(f"{name!r} is no name for a bundle: letters, digits, '.', '_', '-', at most 64")
        self.name = name
        super().__init__(
            state / FOLDER / name, "no bundle is installed under this name; see edge-agent bundle install"
        )

    def versions(self) -> dict[int, str]:
        """Return the installed files by sequence, in order."""
        if not self.folder.is_dir():
            return {}
        found = (_VERSION.fullmatch(path.name) for path in self.folder.iterdir())
        return dict(sorted((int(match[1]), match[0]) for match in found if match))

    def version(self, sequence: int) -> str:
        """Return the file of a sequence. Raises `StoreError`."""
        versions = self.versions()
        if sequence not in versions:
            there = ", ".join(map(str, versions)) or "none"
            raise StoreError(f"{self.name}: sequence {sequence} is not installed; there are: {there}")
        return versions[sequence]

    def install(self, data: bytes, bundle: Bundle, signer: str, who: str, *, downgrade: bool = False) -> str:
        """Keep a bundle that was verified and tried: `data` is its file. Return its name in the store.

        Raises `StoreError` for a sequence that is taken, and for one below the highest that this signer
        had installed, unless it is a `downgrade` on purpose.
        """
        sequence = bundle.manifest.sequence
        file = f"{sequence:06d}-{bundle.sha256[:12]}.bundle"
        with self._locked(make=True):
            record = self.record()
            taken = self.versions().get(sequence, file)
            if taken != file:
                raise StoreError(f"{self.name}: sequence {sequence} is there with other content ({taken})")
            highest = record.highest.get(signer, 0)
            if sequence < highest and not downgrade:
                raise StoreError(
                    f"{self.name}: sequence {sequence} is older than {highest}, which was here before; "
                    "--downgrade takes it all the same"
                )
            record.highest[signer] = max(highest, sequence)
            durable.replace(self.folder / file, data)
            record.tell(who, f"installed {sequence}, signed by {signer or 'nobody'}")
            self._write(record)
            self._prune(record, file)
        return file

    def _prune(self, record: Record, newest: str) -> None:
        kept = {record.active, record.previous, record.candidate, newest}
        spare = [file for file in self.versions().values() if file not in kept]
        for file in spare[:-SPARE]:
            (self.folder / file).unlink()


def names(state: Path) -> list[str]:
    """Return the names that have a store."""
    return sorted(path.parent.name for path in (state / FOLDER).glob(f"*/{FILE}"))


def sequence_of(file: str) -> int:
    """Return the sequence of an installed file, 0 for none."""
    return int(file.partition("-")[0]) if file else 0


def _lock(opened: int, folder: Path) -> None:
    until = time.monotonic() + LOCK_DEADLINE
    while True:
        try:
            return fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise NotNow(f"{folder}: another process is changing this store; try again") from None
            time.sleep(0.02)
