"""Recurrent layers that keep their state from one call to the next, made to begin anew with every window."""

from pathlib import Path
from typing import Any

from converter.originals.original import Refused


def begin_anew(path: Path, model: Any) -> list[str]:
    """Make the stateful layers of a loaded Keras model stateless; their weights stay. Return their names.

    A layer that takes a whole sequence in a call then answers as right after `reset_states`. One that takes
    a single row has no sequence to begin: raises `Refused`.
    """
    # Keras has no public walk that reaches the layers inside wrappers, and both libraries have this one.
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001
    stateful = [layer for layer in layers if getattr(layer, "stateful", False)]
    for layer in stateful:
        if layer.get_build_config()["input_shape"][1] == 1:
            raise Refused(
                f"{path}: layer {layer.name!r} ({type(layer).__name__}) is stateful and takes one row in a "
                "call: its answer depends on all rows before; write streaming = true in the card, and as its "
                "`window` how many rows it takes to warm up"
            )
        layer.stateful = False
        layer.input_spec = None  # Keras 2 keeps the one batch size of a stateful layer here
    return [layer.name for layer in stateful]
