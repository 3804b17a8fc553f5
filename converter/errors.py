"""What the converter says when it refuses."""


class ConverterError(Exception):
    """Nothing was written. The text names the file, the place in it, and what to do."""


class CardError(ConverterError):
    """A card that cannot be used. `problems` holds every problem found, not the first alone."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
