"""A child that proves its answers and is slow, or takes no batches: the log says why, and it is used."""

import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_agent.bundle import Bundle
from edge_agent.bundles.canary import canary
from edge_agent.inference.host import ModelHost
from edge_agent.inference.process import InferenceProcess
from edge_agent.inference.proof import questions, with_batch

pytestmark = pytest.mark.sockets

WARM = """
import asyncio, logging, sys
from dataclasses import replace
from pathlib import Path
import msgspec
from edge_agent import bundle
from edge_agent.inference.host import ModelHost
logging.basicConfig(format="%(levelname)s %(message)s")
made = bundle.read(Path(sys.argv[1]))
fast = msgspec.structs.replace(made.manifest.model, accelerated=True)
made = replace(made, manifest=msgspec.structs.replace(made.manifest, model=fast))
async def main():
    host = ModelHost("m", made, 5.0)
    await host.warm()
    host.close()
asyncio.run(main())
"""


def warmed(path: Path, *before: str) -> str:
    ended = subprocess.run(
        [*before, sys.executable, "-c", WARM, str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_kernels_that_are_there_are_no_word(dense_bundle: Path) -> None:
    assert "XNNPACK" not in warmed(dense_bundle)


def test_a_processor_that_is_hidden_from_the_service_is_told(dense_bundle: Path) -> None:
    """As ProcSubset=pid has it."""
    hide = ["sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$0" "$@"']
    private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urmpf"]
    said = warmed(dense_bundle, *private, *hide)
    assert "WARNING model m: " in said
    assert "without XNNPACK here" in said


async def test_a_call_that_a_cycle_cannot_wait_for_is_told(
    dense: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    hurried = replace(dense, manifest=msgspec.structs.replace(dense.manifest, period=1e-6))
    host = ModelHost("m", hurried, 5.0)
    with caplog.at_level(logging.WARNING):
        await host.warm()
    host.close()
    (told,) = caplog.messages
    assert told.startswith("model m: a call takes")
    assert "cycles will be missed" in told


async def test_a_processor_that_answers_batches_wrongly_is_asked_row_by_row(
    dense: Bundle, crosstalk_tflite: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    made = with_batch(replace(dense, model=crosstalk_tflite), 64)
    asked, wanted = np.tile(questions(made), (2, 1)), np.tile(made.known.outputs, (2, 1))
    child = await InferenceProcess.start(made)
    assert np.abs(await child.run(asked, 5.0) - wanted).max() > 0.1, "the model is no longer wrong in batches"
    child.close()

    host = ModelHost("m", made, 5.0)
    with caplog.at_level(logging.WARNING):
        await host.warm()
    answers = await host.ask(asked)
    host.close()
    assert isinstance(answers, np.ndarray)
    np.testing.assert_allclose(answers, wanted, atol=1e-5)
    (told,) = caplog.messages
    assert "several rows in one call wrongly" in told
    assert (await canary(made)).difference < 1e-5
