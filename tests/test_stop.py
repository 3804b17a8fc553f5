"""The stop of all writing is told once when it comes and once when it goes."""

import logging
from pathlib import Path

import numpy as np
import pytest

from edge_agent.core.tags import Quality
from edge_agent.stop import FILE, Stop
from edge_agent.table import Table


def test_a_stop_is_logged_once_with_its_cause_and_once_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    table = Table(np.array([10**9]))
    stop = Stop(tmp_path, table, row=0)
    assert stop.stopped(), "a stop tag that was never read stops"
    table.latest.value[0], table.latest.quality[0] = 0.0, Quality.GOOD
    assert not stop.stopped()
    (tmp_path / FILE).touch()
    assert stop.stopped()
    assert stop.stopped()
    (tmp_path / FILE).unlink()
    assert not stop.stopped()
    table.latest.value[0] = 1.0
    assert stop.stopped()
    assert [record.getMessage() for record in caplog.records] == [
        "all writing is stopped: the stop tag cannot be read",
        "writing goes on",
        f"all writing is stopped: {tmp_path / FILE} is there; resume-writing ends it",
        "writing goes on",
        "all writing is stopped: the PLC's stop tag is not 0",
    ]
