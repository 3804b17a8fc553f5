"""What the user says of a model file that the file cannot say of itself."""

from pathlib import Path

import msgspec

from converter.errors import ConverterError


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """Paths, "" for none. `weights` belong to an architecture file; the code in `trust_code` is run."""

    weights: str = ""
    trust_code: str = ""
    streamed: int = 0
    """Rows of a sequence for a model that goes row by row and keeps its state; 0 for one of whole windows."""

    @property
    def files(self) -> list[Path]:
        """What makes the model beside its own file."""
        return [Path(name) for name in (self.weights, self.trust_code) if name]


AS_IT_IS = Loading()


def require(model: Path, loading: Loading) -> None:
    """Refuse what is not there, before TensorFlow starts. Raises `ConverterError`."""
    if not model.is_file() and not (model / "saved_model.pb").is_file():
        raise ConverterError(
            f"{model}: not a model; a .keras or .h5 file, an architecture .json with --weights, "
            "or a SavedModel directory is needed"
        )
    for file in loading.files:
        if not file.is_file():
            raise ConverterError(f"{file}: no such file; correct --weights or --trust-code")
