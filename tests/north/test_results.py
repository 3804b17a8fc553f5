"""Results are read in a thread, and closed by whoever ends first."""

import threading
from pathlib import Path

import pytest
from broker import History

from edge_agent.north.results import NoHistory, Results


def test_closing_waits_for_a_read_that_is_under_way(tmp_path: Path) -> None:
    history = History(tmp_path)
    for i in range(2000):
        history.add("pump", float(i), 0.1)
    history.commit()
    for _ in range(20):
        results = Results(tmp_path / "history.db")
        begun = threading.Event()

        def read(results: Results = results, begun: threading.Event = begun) -> None:
            with pytest.raises(NoHistory, match="closed"):  # noqa: PT012 - it is the last of many
                while True:
                    results.between(0, 2000, 2000)
                    begun.set()

        reading = threading.Thread(target=read)
        reading.start()
        begun.wait()
        results.close()
        reading.join()
