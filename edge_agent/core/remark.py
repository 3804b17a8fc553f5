"""A sentence about an input, kept as what it says, so that it can be said in more than one language."""

from typing import Literal

import msgspec

Kind = Literal[
    "above_others",
    "below_others",
    "above_mean",
    "below_mean",
    "off_forecast",
    "above_training",
    "below_training",
    "too_quick",
    "unlikely",
]

_ENGLISH: dict[Kind, str] = {
    "above_others": "{input} {value:+.3g} above what the other inputs explain",
    "below_others": "{input} {value:+.3g} below what the other inputs explain",
    "above_mean": "{input} {value:+.3g} above its mean in training",
    "below_mean": "{input} {value:+.3g} below its mean in training",
    "off_forecast": "{input} {value:.3g} off what was forecast",
    "above_training": "{input} {value:.4g}, above {bound:.4g} in training",
    "below_training": "{input} {value:.4g}, below {bound:.4g} in training",
    "too_quick": "{input} {value:.4g} per second, beyond {bound:.4g} in training",
    "unlikely": "{input} {value:.4g}, where the other inputs make {likely:.4g} likely",
}


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What is remarkable about an input. `value` and `bound` are in `unit`; `kind` says what they are."""

    kind: Kind
    input: str
    value: float
    bound: float = 0.0
    unit: str = ""

    @property
    def text(self) -> str:
        """The sentence in English, for the log and the terminal."""
        value, likely = _Amount(self.value, self.unit), _Amount(self.bound, self.unit)
        said = _ENGLISH[self.kind]
        return said.format(input=self.input, value=value, bound=self.bound, likely=likely)


class _Amount:
    """A number that is formatted together with its unit."""

    def __init__(self, number: float, unit: str) -> None:
        self._number, self._unit = number, unit

    def __format__(self, spec: str) -> str:
        return f"{self._number:{spec}} {self._unit}".rstrip()
