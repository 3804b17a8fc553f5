"""The Python file that the user trusts: run, and searched for what a model may be built from."""

import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from converter.originals.original import Refused, first_line


def definitions(script: Path, legacy: bool) -> dict[str, Any]:
    """Run `script` and return its classes and functions by name. Raises `Refused`.

    For a model of Keras 2, ``tensorflow.keras`` in it is Keras 2.
    """
    if legacy:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"  # read when tensorflow.keras is first touched
    spec = spec_from_file_location(f"trusted_{script.stem}", script)
    if spec is None or spec.loader is None or not script.is_file():
        raise Refused(f"{script}: not a Python file; --trust-code takes the .py file with the custom layers")
    module = module_from_spec(spec)
    sys.path.insert(0, str(script.parent))
    try:
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise Refused(f"{script}: {first_line(error)}; correct the trusted file") from None
    found = {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    }
    if not found:
        raise Refused(f"{script}: defines no class and no function; define the custom layers there")
    return found
