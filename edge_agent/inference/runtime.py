"""Picks the TFLite runtime: LiteRT, or tflite-runtime on a box that has only that.

Being importable proves little: tflite-runtime loads some newer models and answers wrongly. What proves
a runtime is the bundle's known answers, which the agent replays before it uses any model.
"""

from functools import cache
from importlib.metadata import version
from typing import Any


class NoRuntime(Exception):
    """Neither runtime is installed."""


@cache
def interpreter_class() -> tuple[Any, str]:
    """Return the `Interpreter` class and ``name version`` of its package. Raises `NoRuntime`."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - the pick is the point

        return Interpreter, f"ai-edge-litert {version('ai-edge-litert')}"
    except ModuleNotFoundError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter  # noqa: PLC0415 - the pick is the point
    except ModuleNotFoundError:
        raise NoRuntime("no TFLite runtime: pip install ai-edge-litert") from None
    return Interpreter, f"tflite-runtime {version('tflite-runtime')}"
