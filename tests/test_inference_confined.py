"""What a loaded inference child can still do to the box: next to nothing, and not after its parent."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from edge_agent.bundle import Bundle
from edge_agent.inference.process import InferenceProcess

pytestmark = pytest.mark.sockets
ENOUGH = 5.0


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether the process ends within the time; a zombie that nobody waits for counts as ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        os.sched_yield()
    return False


def stop(pid: int) -> None:
    """Make the process hang, and wait until it does."""
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        os.sched_yield()


def descriptors(pid: int) -> dict[int, str]:
    """What a process has open, by number."""
    return {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}


async def test_a_loaded_child_has_no_descriptor_left_to_open_a_file_or_a_socket_with(
    inference: InferenceProcess,
) -> None:
    """Every descriptor below the limit is taken: open() and socket() can only fail."""
    soft, hard = resource.prlimit(inference.pid, resource.RLIMIT_NOFILE)
    assert soft == hard
    assert set(range(soft)) <= set(descriptors(inference.pid))


async def test_a_loaded_child_holds_one_socket_and_it_is_a_pair(inference: InferenceProcess) -> None:
    sockets = [target for target in descriptors(inference.pid).values() if target.startswith("socket:")]
    networked = {str(c.fd) for c in psutil.Process(inference.pid).net_connections("inet")}
    assert (len(sockets), networked) == (1, set())


async def test_a_child_may_neither_grow_nor_write_nor_dump_without_end(inference: InferenceProcess) -> None:
    for limit, most in (
        (resource.RLIMIT_AS, 1024**3),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        assert resource.prlimit(inference.pid, limit) == (most, most)


PARENT = """
import asyncio, os, sys
from pathlib import Path
from edge_agent import bundle
from edge_agent.inference.process import InferenceProcess

async def main():
    child = await InferenceProcess.start(bundle.read(Path(sys.argv[1])))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("hung", [False, True])
def test_the_child_dies_with_its_parent_even_when_it_hangs(dense_bundle: Path, hung: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(dense_bundle)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        if hung:
            stop(pid)
        parent.kill()
        assert gone(pid)


@pytest.mark.usefixtures("collected")
async def test_starting_and_closing_leaks_no_descriptor_and_no_process(dense: Bundle) -> None:
    def open_now() -> set[int]:
        return set(descriptors(os.getpid()))

    async def once() -> None:
        process = await InferenceProcess.start(dense)
        await process.run(dense.known.inputs, ENOUGH)
        process.close()

    await once()
    before, children = open_now(), set(psutil.Process().children())
    for _ in range(5):
        await asyncio.gather(*(once() for _ in range(4)))
    assert open_now() <= before
    assert set(psutil.Process().children()) <= children
