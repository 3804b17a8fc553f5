"""What converts many models at a time: processes of this machine, or a Dask cluster. Both are executors."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

from converter import lifetime
from converter.errors import ConverterError

LOCAL = "local"
_PATIENCE = 30
"""Seconds for a scheduler to answer and for its first worker to be there."""


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """Yield `count` processes of this machine. None of them, nor what it works on, outlives the context."""
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, spawn, _begin, (os.getpid(),))
    try:
        yield pool
    except BaseException:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int) -> None:
    """Make a worker end when its parent does, not by Ctrl-C, which every process of a terminal gets."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    lifetime.end_with(parent, signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows clears up
    raise SystemExit


@contextmanager
def dask(address: str, workers: int) -> Iterator[Executor]:
    """Yield the Dask cluster whose scheduler is at `address`, or a local one of `workers` processes.

    The workers need the converter installed, and see the files under the same paths. Raises `ConverterError`
    if there is no such cluster, or none of its workers is there.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - optional, and takes a second
    except ModuleNotFoundError as missing:
        if missing.name != "distributed":
            raise
        raise ConverterError("Dask is not installed here: pip install 'edge-agent[fleet]'") from None
    if address == LOCAL:
        # A worker that is killed leaves its files behind: they are in a folder that goes with the cluster.
        with (
            tempfile.TemporaryDirectory(prefix="edge-converter-", ignore_cleanup_errors=True) as folder,
            LocalCluster(
                workers, threads_per_worker=1, dashboard_address=None, memory_limit=0,
                local_directory=folder, env={"TMPDIR": folder},
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            yield client.get_executor(pure=False)
        return
    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise ConverterError(f"{address}: no Dask scheduler answers ({error}); correct --dask") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ConverterError(
                f"{address}: no worker in {_PATIENCE} s; start `dask worker {address}`"
            ) from None
        yield client.get_executor(pure=False)
