"""Servers that are programs of their own, and print the port at which they serve."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(*command: object) -> Iterator[int]:
    """A server program; the port that it prints."""
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()
