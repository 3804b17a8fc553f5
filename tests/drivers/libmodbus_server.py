"""The libmodbus server of `tests/peers/libmodbus`, compiled once by the C compiler of this box."""

import functools
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "peers" / "libmodbus" / "server.c"


@functools.cache
def compiled() -> Path:
    """Return the program."""
    program = Path(tempfile.mkdtemp(prefix="libmodbus-")) / "server"
    found = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=True
    )
    command = ["gcc", "-O2", "-Wall", "-o", str(program), str(SOURCE), *found.stdout.split()]
    subprocess.run(command, check=True)
    return program
