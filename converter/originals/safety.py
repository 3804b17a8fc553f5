"""No code from a model file is run: every class that it names is looked at before Keras reads the file.

Keras 2 executes Lambda layers of ``.h5`` files, and imports any module that a ``.keras`` file names.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from converter.originals import operations
from converter.originals.original import Refused

_STRUCTURE = {
    "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__", "__tuple__", "__typespec__",
    "DTypePolicy", "FloatDTypePolicy", "Functional", "InputLayer", "Model", "Policy", "Sequential",
    "TensorShape", "slice",
}  # fmt: skip
_METHODS = {"ClassMethod", "InstanceMethod", "InstanceProperty"}
_OUTSIDE = {"TFSMLayer", "TensorFlowOpLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_REBUILD = "rebuild the model from Keras's own layers and copy the weights with set_weights(get_weights())"


def library_classes(library: Any) -> set[str]:
    """Return the names of what `library`, Keras 2 or 3, may build from a file without running code of it."""
    places = (
        library.layers,
        library.models,
        library.initializers,
        library.regularizers,
        library.constraints,
        library.optimizers,
        library.losses,
        library.metrics,
    )
    found = {name for place in places for name in dir(place) if isinstance(getattr(place, name), type)}
    return (found | _STRUCTURE | operations.CALLS) - _METHODS - _OUTSIDE - {"Lambda"}


def check(path: Path, config: Any, known: Collection[str], trusted: Collection[str], library: str) -> None:
    """Refuse a model that holds code, or a class that neither `library` nor the trusted file has.

    Raises `Refused`, which names the layer and its class.
    """
    read = {key: value for key, value in config.items() if key != "compile_config"}
    for described in _objects(read):
        name, inner = described["class_name"], _inner(described)
        called = inner.get("name") or described.get("name")
        layer = f"{path}: layer {called!r}" if called else f"{path}: the model"
        _refuse_code(layer, described, trusted)
        if not _is_known(described, known) and not _is_trusted(described, trusted):
            raise Refused(
                f"{layer} is a {name}, which {library} does not have; "
                "give the Python file that defines it with --trust-code FILE.py"
            )


def _is_known(described: dict[str, Any], known: Collection[str]) -> bool:
    name, module = described["class_name"], str(described.get("module") or "keras")
    if name in {"Lambda", "function"}:
        return True  # by a trusted name, or it was refused before
    if module.startswith("keras.src.ops."):
        return True
    return name in known and module.partition(".")[0] in {"keras", "tf_keras", "builtins"}


def _is_trusted(described: dict[str, Any], trusted: Collection[str]) -> bool:
    """Tell whether Keras will take this from the trusted file; it looks for the registered name first."""
    names = (described["class_name"], described.get("registered_name"))
    return all(name.rpartition(">")[2] in trusted for name in names if name)


def _inner(described: dict[str, Any]) -> dict[str, Any]:
    config = described.get("config")
    return config if isinstance(config, dict) else {}


def _refuse_code(layer: str, described: dict[str, Any], trusted: Collection[str]) -> None:
    name, inner, given = described["class_name"], _inner(described), described.get("config")
    if name == "Lambda" and _named_function(inner) not in trusted:
        raise Refused(f"{layer} is a Lambda: its code is in the file and is not run; {_REBUILD}")
    if name == "__lambda__":
        raise Refused(f"{layer} holds a Python lambda: code from a file is not run; {_REBUILD}")
    if name == "function" and given not in trusted:
        raise Refused(
            f"{layer} uses the function {given!r}, which is not Keras's; "
            "give the Python file that defines it with --trust-code FILE.py"
        )
    if name in _METHODS:
        raise Refused(f"{layer} is a {name}: an attribute of a tensor, no layer; {_REBUILD}")
    if name in operations.CALLS and inner.get("function") not in operations.PURE:
        raise Refused(
            f"{layer} calls {inner.get('function')} of TensorFlow, which is not known to be a pure function; "
            f"{_REBUILD}"
        )
    if name in _OUTSIDE:
        raise Refused(f"{layer} is a {name}: it runs what is outside the file; {_REBUILD}")


def _named_function(lambda_config: dict[str, Any]) -> str | None:
    """Return the name of a Lambda's function; None if any code of it is in the file."""
    if lambda_config.get("output_shape_type") not in (None, "raw") or lambda_config.get("mask") is not None:
        return None
    function = lambda_config.get("function")
    if isinstance(function, dict) and function.get("class_name") == "function":
        function = function.get("config")
    return function if isinstance(function, str) else None


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield everything that Keras would build from `config`, from the outside in."""
    if isinstance(config, dict) and isinstance(config.get("class_name"), str):
        yield config
    if isinstance(config, dict | list):
        for value in config.values() if isinstance(config, dict) else config:
            yield from _objects(value)
