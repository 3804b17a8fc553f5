"""A history for every test, and a publisher that does not dawdle."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from broker import History, quickly


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    kept = History(tmp_path / "state")
    yield kept
    kept.close()


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest) -> Iterator[None]:
    """In virtual time everything takes as long as it does."""
    with quickly() if request.node.get_closest_marker("sockets") else nullcontext():
        yield
