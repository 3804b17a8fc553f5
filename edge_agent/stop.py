"""The stop of all writing: a file in the state folder, which a command makes, or a tag that the PLC owns."""

import logging
from pathlib import Path

from edge_agent.core.tags import Quality
from edge_agent.table import Table

FILE = "STOP"

log = logging.getLogger(__name__)


class Stop:
    """Looked at before every write. `row` is where the PLC's stop tag stands in the table, None for none."""

    def __init__(self, state: Path, table: Table, row: int | None) -> None:
        self._file, self._table, self._row = state / FILE, table, row
        self._told = ""

    def stopped(self) -> bool:
        """Whether nothing may be written now. A change is logged."""
        why = self._why()
        if why != self._told:
            log.warning("all writing is stopped: %s", why) if why else log.info("writing goes on")
            self._told = why
        return bool(why)

    def _why(self) -> str:
        """A stop tag that cannot be read stops, too."""
        if self._row is not None:
            latest = self._table.latest
            if latest.quality[self._row] == Quality.BAD:
                return "the stop tag cannot be read"
            if latest.value[self._row] != 0:
                return "the PLC's stop tag is not 0"
        return f"{self._file} is there; resume-writing ends it" if self._file.exists() else ""
