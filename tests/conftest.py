"""What every test gets: virtual time unless it is marked `sockets`, and no task left behind."""

import asyncio
import fcntl
import gc
import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import async_solipsism
import dense_model
import hypothesis
import pytest
import pytest_asyncio
from mosquitto import Broker
from sources import DATA, ROOT

from edge_agent import bundle
from edge_agent.inference.process import InferenceProcess

hypothesis.settings.register_profile("edge", deadline=None, derandomize=True)
hypothesis.settings.load_profile("edge")


def pytest_configure() -> None:
    # A shell lets what it starts in the background ignore Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--days", type=int, default=1, help="length of the simulated outages")
    parser.addoption("--cycles", type=int, default=7500, help="length of the simulated faults of writing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not DATA.is_dir():
        missing = pytest.mark.skip(reason=f"needs the real data, in {DATA} or where EDGE_AGENT_DATA says")
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(missing)


@pytest.fixture
def days(request: pytest.FixtureRequest) -> int:
    """How many days of outages are simulated."""
    found: int = request.config.getoption("--days")
    return found


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> int:
    """For how many cycles, about, the faults of writing go on."""
    found: int = request.config.getoption("--cycles")
    return found


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("sockets"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": async_solipsism.EventLoop}


@pytest.fixture
def collected() -> None:
    """What other tests left to the garbage collector is closed now, not while this one counts its own."""
    gc.collect()


@pytest_asyncio.fixture(autouse=True)
async def no_task_left(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, f"tasks left running: {left}"


def built(name: str) -> bytes:
    """The model that `build_{name}.py` makes by TensorFlow; kept, because TensorFlow takes long to begin."""
    script = Path(__file__).with_name(f"build_{name}.py")
    made_by = script.read_bytes() + version("tensorflow").encode()
    kept = ROOT / f".cache/models/{name}-{hashlib.sha256(made_by).hexdigest()[:16]}.tflite"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests run in several processes
        if not kept.exists():
            fresh = kept.with_suffix(".new")
            command = [sys.executable, str(script), str(fresh)]
            made = subprocess.run(command, check=False, capture_output=True, text=True)
            assert made.returncode == 0, made.stderr
            fresh.replace(kept)
    return kept.read_bytes()


@pytest.fixture(scope="session")
def dense_tflite() -> bytes:
    """A real model of about a kilobyte."""
    return built("dense")


@pytest.fixture(scope="session")
def crosstalk_tflite() -> bytes:
    """The same, but for rows that change each other's answers when they are asked in one call."""
    return built("crosstalk")


@pytest.fixture(scope="session")
def dense_bundle(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle: window 4 x 4 inputs, dense sigmoid, float32, known answers from the model's formula."""
    path = tmp_path_factory.mktemp("bundle") / "dense.bundle"
    windows = dense_model.known_windows()
    answers = dense_model.expected(dense_model.standardised(windows))
    bundle.write(path, dense_model.MANIFEST, dense_tflite, dense_model.known(windows, answers))
    return path


@pytest.fixture(scope="session")
def dense(dense_bundle: Path) -> bundle.Bundle:
    """The same bundle, read."""
    return bundle.read(dense_bundle)


@pytest.fixture(scope="session")
def inference(dense: bundle.Bundle) -> Iterator[InferenceProcess]:
    """An inference child for tests that do it no harm: it belongs to no event loop."""
    loop = asyncio.new_event_loop()
    process = loop.run_until_complete(InferenceProcess.start(dense))
    loop.close()
    yield process
    process.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A message broker of its own, which the test may stop and start."""
    started = Broker(tmp_path).start()
    yield started
    started.kill()
