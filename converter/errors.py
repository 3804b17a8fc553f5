"""What the converter says when it refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ConverterError(Exception):
    """Nothing was written. The text names the file, the place in it, and what to do."""


class CardError(ConverterError):
    """A card that cannot be used. `problems` holds every problem found, not the first alone."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@contextmanager
def writing(place: Path, instead: str) -> Iterator[None]:
    """Tell of a write to `place` that fails, as of a full disk; `instead` is what else would help."""
    try:
        yield
    except OSError as error:
        raise ConverterError(
            f"{place}: cannot be written: {error.strerror or error}; make room there, or {instead}"
        ) from None
