"""What a model file says of itself, found without loading the model: its kind, its version, its layers."""

import json
import zipfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py  # type: ignore[import-untyped]

from converter.originals.original import Refused, first_line

Kind = Literal["keras", "h5", "json", "saved_model"]
_WANTED = "a .keras or .h5 file, an architecture .json with --weights, or a SavedModel directory is needed"
_TFLITE_AT = 4


class Found(NamedTuple):
    """`version` is the Keras that wrote the file, "" if it does not say. `config` describes the layers."""

    kind: Kind
    version: str
    config: dict[str, Any]

    @property
    def legacy(self) -> bool:
        """Whether it takes Keras 2. A file that does not say is older than those that do."""
        return not self.version.startswith("3")

    @property
    def says(self) -> str:
        """What the file says of its version."""
        return (
            f"file says Keras {self.version}" if self.version else "file does not say by what it was written"
        )


def look(path: Path) -> Found:
    """Tell what `path` holds by its content, whatever its name. Raises `Refused` and OSError."""
    if (path / "saved_model.pb").is_file():
        return Found("saved_model", "", {})
    if not path.is_file():
        raise Refused(f"{path}: not a model; {_WANTED}")
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _h5(path)
    if head.startswith(b"PK"):
        return _archive(path)
    if head.lstrip().startswith(b"{"):
        return _json(path)
    raise Refused(f"{path}: {_what_else(head)}")


def _what_else(head: bytes) -> str:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (
            "a Python pickle; loading one runs whatever code it holds, so it is not loaded; "
            "save the model itself with model.save('model.keras')"
        )
    if head[_TFLITE_AT : _TFLITE_AT + 4] == b"TFL3":
        return "already TFLite; give the Keras model that it was made from"
    if not head:
        return "an empty file; copy the model again"
    return f"not a model; {_WANTED}"


def _h5(path: Path) -> Found:
    try:
        with h5py.File(path, "r") as file:
            config, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "")
    except OSError as error:
        raise Refused(f"{path}: truncated or damaged HDF5 ({first_line(error)}); copy it again") from None
    if config is None:
        raise Refused(
            f"{path}: weights without an architecture; "
            "give the architecture's .json (model.to_json()) as MODEL and this file as --weights"
        )
    return Found("h5", _text(version), _parsed(path, _text(config)))


def _archive(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            if "config.json" not in names:
                what = "a PyTorch model" if any(n.endswith("data.pkl") for n in names) else "a zip file"
                raise Refused(f"{path}: {what}, not a Keras model; {_WANTED}")
            config = _parsed(path, file.read("config.json").decode())
            said = json.loads(file.read("metadata.json")) if "metadata.json" in names else {}
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Refused(f"{path}: truncated or damaged ({first_line(error)}); copy it again") from None
    return Found("keras", str(said.get("keras_version", "")), config)


def _json(path: Path) -> Found:
    config = _parsed(path, path.read_text(encoding="utf-8", errors="replace"))
    if "class_name" not in config or "config" not in config:
        raise Refused(f"{path}: JSON, but no architecture; write it with model.to_json()")
    # Keras 3 writes the module of every class instead of its own version.
    return Found("json", str(config.get("keras_version") or ("3" if "module" in config else "")), config)


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(f"{path}: its architecture is not JSON ({first_line(error)}); save it again") from None
    if not isinstance(config, dict):
        raise Refused(f"{path}: its architecture is not a JSON object; save it again")
    return config


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)
