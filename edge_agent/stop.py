"""The stop of all writing: a file in the state folder, which a command makes, or a tag that the PLC owns."""

from pathlib import Path

from edge_agent.core.tags import Quality
from edge_agent.table import Table

FILE = "STOP"


class Stop:
    """Looked at before every write. `row` is where the PLC's stop tag stands in the table, None for none."""

    def __init__(self, state: Path, table: Table, row: int | None) -> None:
        self._file, self._table, self._row = state / FILE, table, row

    def stopped(self) -> bool:
        """Whether nothing may be written now. A stop tag that cannot be read stops, too."""
        if self._row is not None:
            latest = self._table.latest
            if latest.quality[self._row] == Quality.BAD or latest.value[self._row] != 0:
                return True
        return self._file.exists()
