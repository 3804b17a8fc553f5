"""``[history]``: sizes that something can be kept in."""

from edge_agent.config.fields import Place, build
from edge_agent.config.tables import HistoryTable

SMALLEST = 10_000_000
"""Bytes: below it a database has no room to turn, and a recording is over in minutes."""


def history_of(data: object, place: Place) -> HistoryTable | None:
    """Return what is to be kept; None if something is wrong, which `place` keeps."""
    history = build(HistoryTable, data, place)
    if history and history.results < SMALLEST:
        place.at("results").wrong(f"at least 10MB, got {history.results} bytes")
    if history and 0 < history.flight < SMALLEST:
        place.at("flight").wrong(f"at least 10MB, or 0 for none, got {history.flight} bytes")
    return history
