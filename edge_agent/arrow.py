"""pyarrow, which only Parquet files need: as large as all the rest, so that few gateways have it."""

from importlib import import_module
from typing import Any


def load() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet. Raises ModuleNotFoundError, which says what to install."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        text = "Parquet needs pyarrow: install the package edge-agent-parquet, or edge-agent[parquet] by pip"
        raise ModuleNotFoundError(text) from None
