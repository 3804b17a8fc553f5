"""Forty models on a real Dask cluster of two workers, which this process reaches by its address alone."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sources import ROOT

from converter import ConverterError, convert, directory, engines
from edge_agent import bundle

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(900)]


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers, as `dask scheduler` and `dask worker` start them."""
    serving = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen([*serving, "--no-dashboard"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = (re.search(r"Scheduler at:\s+(tcp://\S+)", line) for line in process.stderr)
        address = next(found[1] for found in said if found)
        working = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        workers = [
            subprocess.Popen([*working, "--no-dashboard", "--no-nanny"], stderr=subprocess.DEVNULL, cwd=ROOT)
            for _ in range(2)
        ]
        try:
            yield address
        finally:
            for started in (*workers, process):
                started.kill()
            for worker in workers:
                worker.wait(30)


def test_forty_models_on_two_workers(scheduler: str, pumps: Path, small_card: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [
            sys.executable, "-m", "converter.cli", "convert", str(pumps), "--card", str(small_card),
            "--recipe", "float32", "--dask", scheduler, "-o", str(out), "--json",
        ],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    names = [f"pump{number:03}" for number in range(40)]
    assert [outcome["name"] for outcome in told] == names
    assert {outcome["problem"] for outcome in told} == {""}
    assert [bundle.read(out / f"{name}.bundle").sha256 for name in names] == [o["sha256"] for o in told]
    assert len({outcome["sha256"] for outcome in told}) == 40

    # What a worker has converted before leaves no trace in a bundle.
    last = next(item for item in directory.find(pumps, None, small_card) if item.name == names[-1])
    assert last.data is not None
    before = set(psutil.Process().children())
    alone = convert(last.model, last.data, last.card, tmp_path / "alone.bundle", "float32")
    assert alone.sha256 == told[-1]["sha256"]
    assert set(psutil.Process().children()) <= before


def test_an_address_where_nobody_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_PATIENCE", 1)
    with (
        pytest.raises(
            ConverterError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers .*correct --dask"
        ),
        engines.dask("tcp://127.0.0.1:9", 1),
    ):
        pass
