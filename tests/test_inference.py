"""The inference child as a real process: right answers, and every way it can go wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dense_model
import msgspec
import numpy as np
import psutil
import pytest
import pytest_asyncio
from dense_model import NAMES

from edge_agent.bundle import Bundle
from edge_agent.core.manifest import InputTensor, OutputTensor
from edge_agent.core.tags import Reason
from edge_agent.inference.host import ModelHost
from edge_agent.inference.process import InferenceFailed, InferenceLate, InferenceProcess

pytestmark = pytest.mark.sockets
ENOUGH = 5.0


@pytest_asyncio.fixture
async def child(dense: Bundle) -> AsyncIterator[InferenceProcess]:
    process = await InferenceProcess.start(dense)
    yield process
    process.close()


def other(dense: Bundle, **changes: Any) -> Bundle:
    model = msgspec.structs.replace(dense.manifest.model, **changes)
    manifest = msgspec.structs.replace(dense.manifest, model=model)
    return Bundle(manifest, dense.model, dense.known, dense.sha256)


def stop(pid: int) -> None:
    """Make the process hang, and wait until it does."""
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        os.sched_yield()


@contextmanager
def debugged(pid: int) -> Iterator[None]:
    """Let a debugger hold the process that hangs itself, and is killed in the end."""
    with subprocess.Popen(["strace", "-qq", "-e", "trace=none", "-p", str(pid)]) as debugger:
        try:
            while f"TracerPid:\t{debugger.pid}\n" not in Path(f"/proc/{pid}/status").read_text():
                assert debugger.poll() is None, "nobody may be traced here"
                os.sched_yield()
            stop(debugger.pid)
            yield
        finally:
            debugger.kill()


async def test_the_known_answers_come_back(inference: InferenceProcess, dense: Bundle) -> None:
    prepared = dense_model.standardised(dense.known.inputs)
    answer = await inference.run(prepared, ENOUGH)
    assert answer.dtype == np.float32
    assert answer.shape == dense.known.outputs.shape
    np.testing.assert_allclose(answer, dense.known.outputs, rtol=0, atol=1e-6)
    assert inference.runtime.split()[0] in {"ai-edge-litert", "tflite-runtime"}


async def test_each_row_of_a_batch_has_its_own_answer(inference: InferenceProcess) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 4, 4)).astype(np.float32)
    together = await inference.run(rows, ENOUGH)
    np.testing.assert_allclose(together, dense_model.expected(rows), rtol=0, atol=1e-6)
    one_by_one = [await inference.run(row[np.newaxis], ENOUGH) for row in rows]
    assert np.concatenate(one_by_one).tobytes() == together.tobytes()


@pytest.mark.parametrize("kind", [">f4", "<f8", ">f8", "<i4"])
async def test_other_number_formats_are_converted_not_reinterpreted(
    inference: InferenceProcess, kind: str
) -> None:
    rows = np.arange(-8, 8).reshape(1, 4, 4)
    answer = await inference.run(rows.astype(kind), ENOUGH)
    np.testing.assert_allclose(answer, dense_model.expected(rows.astype(np.float32)), rtol=0, atol=1e-6)


async def test_rows_of_another_order_in_memory_are_read_as_they_are_indexed(
    inference: InferenceProcess,
) -> None:
    rows = np.arange(32, dtype=np.float32).reshape(2, 4, 4) / 32
    answer = await inference.run(np.asfortranarray(rows)[:, ::-1], ENOUGH)
    np.testing.assert_allclose(answer, dense_model.expected(rows[:, ::-1].copy()), rtol=0, atol=1e-6)


async def test_no_rows_have_no_answers(inference: InferenceProcess) -> None:
    assert (await inference.run(np.zeros((0, 4, 4), np.float32), ENOUGH)).shape == (0, 1)


async def test_a_batch_larger_than_the_socket_buffer_goes_through(inference: InferenceProcess) -> None:
    rows = np.random.default_rng(2).normal(size=(20_000, 4, 4)).astype(np.float32)
    answer = await inference.run(rows, ENOUGH)
    np.testing.assert_allclose(answer, dense_model.expected(rows), rtol=0, atol=1e-6)


async def test_a_child_that_was_killed_fails_at_once(child: InferenceProcess, dense: Bundle) -> None:
    os.kill(child.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(InferenceFailed, match="SIGKILL") as failed:
        await child.run(dense.known.inputs, 60)
    assert not isinstance(failed.value, InferenceLate)
    assert time.monotonic() - began < 2


async def test_a_child_that_dies_in_the_middle_of_a_call_fails_at_once(
    child: InferenceProcess, dense: Bundle
) -> None:
    stop(child.pid)
    call = asyncio.create_task(child.run(dense.known.inputs, 60))
    await asyncio.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(InferenceFailed, match="SIGKILL"):
        await asyncio.wait_for(call, 2)


async def test_a_child_that_hangs_is_late_and_closing_leaves_no_process(
    child: InferenceProcess, dense: Bundle
) -> None:
    stop(child.pid)
    began = time.monotonic()
    with pytest.raises(InferenceLate, match=r"0\.1 s"):
        await child.run(dense.known.inputs, 0.1)
    assert 0.1 <= time.monotonic() - began < 1
    child.close()
    assert not psutil.pid_exists(child.pid)


async def test_closing_does_not_wait_for_a_child_that_the_kernel_does_not_let_go(
    child: InferenceProcess, caplog: pytest.LogCaptureFixture
) -> None:
    """As one is that a debugger holds, which hangs itself."""
    with debugged(child.pid):
        child.close()
        assert psutil.pid_exists(child.pid)
    assert f"inference child {child.pid}: killed, and not gone yet" in caplog.messages
    child.close()
    assert not psutil.pid_exists(child.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_for_the_whole_service_is_not_for_the_child(
    child: InferenceProcess, dense: Bundle, number: signal.Signals
) -> None:
    os.kill(child.pid, number)
    assert len(await child.run(dense.known.inputs, ENOUGH)) == len(dense.known.inputs)


async def test_a_turn_that_does_not_come_is_late_and_costs_nobody_the_child(dense: Bundle) -> None:
    host = ModelHost("dense", dense, 0.2)
    await host.warm()
    try:
        async with host._lock:
            assert await host.ask(dense.known.inputs) is Reason.MODEL_LATE
        assert len(await host.ask(dense.known.inputs)) == len(dense.known.inputs)
        assert host.starts == 1
    finally:
        host.close()


async def test_an_answer_that_was_given_up_is_never_taken_for_the_next(
    child: InferenceProcess, dense: Bundle
) -> None:
    stop(child.pid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await child.run(np.full((1, 4, 4), 9, np.float32), ENOUGH)
    os.kill(child.pid, signal.SIGCONT)
    with pytest.raises(InferenceFailed):
        await child.run(np.zeros((1, 4, 4), np.float32), ENOUGH)


async def test_a_call_that_was_late_is_the_last(child: InferenceProcess) -> None:
    stop(child.pid)
    with pytest.raises(InferenceLate):
        await child.run(np.full((1, 4, 4), 9, np.float32), 0.05)
    os.kill(child.pid, signal.SIGCONT)
    with pytest.raises(InferenceFailed):
        await child.run(np.zeros((1, 4, 4), np.float32), ENOUGH)


async def test_closing_twice_is_once(child: InferenceProcess) -> None:
    child.close()
    child.close()
    assert not psutil.pid_exists(child.pid)


@pytest.mark.parametrize("garbage", [b"", b"not a model", bytes(1000), b"\x1c\x00\x00\x00TFL3" + bytes(100)])
async def test_a_garbage_model_is_refused_with_a_text(dense: Bundle, garbage: bytes) -> None:
    before = set(psutil.Process().children())
    bad = Bundle(dense.manifest, garbage, dense.known, dense.sha256)
    with pytest.raises(InferenceFailed) as failed:
        await InferenceProcess.start(bad)
    assert str(failed.value)
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (
            {"inputs": [InputTensor(name="window", shape=[1, 16], columns=NAMES)]},
            r"input is float32\[1, 4, 4\]",
        ),
        ({"outputs": [OutputTensor(name="answer", shape=[1, 2], tolerance=0)]}, r"output is float32\[1, 1\]"),
    ],
)
async def test_a_model_of_other_shapes_than_promised_is_refused(
    dense: Bundle, tensors: dict[str, Any], says: str
) -> None:
    with pytest.raises(InferenceFailed, match=says):
        await InferenceProcess.start(other(dense, **tensors))


async def test_a_start_that_takes_too_long_leaves_nothing_behind(dense: Bundle) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(InferenceLate):
        await InferenceProcess.start(dense, deadline=0.01)
    assert set(psutil.Process().children()) <= before


async def test_a_child_that_talks_nonsense_is_failed(child: InferenceProcess, dense: Bundle) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    child._sock.close()
    child._sock = ours
    with theirs:
        theirs.send(b"\xff" * 64)
        with pytest.raises(InferenceFailed):
            await child.run(dense.known.inputs, ENOUGH)
