"""How a model may be quantised: one table, from which everything else asks."""

import math
from typing import Literal

import msgspec

Name = Literal["float32", "float16", "dynamic_int8", "int8", "int8_io", "int16x8", "mixed"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe does and what may be expected of its result.

    `accepted` is the largest error, as a fraction of the output's range, that is taken without a word from
    the user. `tolerance` is how far another processor may be from the known answers, as a fraction of the
    output's range (of its largest magnitude where `exact`).
    """

    quantises: str
    calibrated: bool = False
    """Whether it needs real windows to take its scales from."""
    recurrent: bool = True
    """Whether it is right for GRU and LSTM."""
    weights: tuple[str, ...] = ("float32",)
    """The dtypes that it promises for the weights."""
    largest_left: float = 0
    """Constants of at most so many numbers may stay float32."""
    accepted: float
    tolerance: float
    exact: bool = False
    """Whether all sums are float32, so that errors are relative to the answers' magnitude."""


_ROUNDING = 1e-4
"""Sums in another order. In a deep and badly scaled model float32 itself is 8e-5 from the exact sums."""
_STEPS = 6 / 255
"""A value on the edge between two of 255 steps may fall to either side, and so in every layer: measured are
up to 3.3 steps between LiteRT's own sets of kernels."""

RECIPES: dict[Name, Recipe] = {
    "float32": Recipe(
        quantises="nothing",
        largest_left=math.inf,
        accepted=2e-4,
        tolerance=_ROUNDING,
        exact=True,
    ),
    "float16": Recipe(
        quantises="weights, to float16; sums are float32",
        weights=("float16",),
        accepted=0.01,
        tolerance=_ROUNDING,
        exact=True,
    ),
    "dynamic_int8": Recipe(
        quantises="weights of layers with 1024 and more, to int8; inputs of these layers while running",
        weights=("int8",),
        largest_left=1023,
        accepted=0.05,
        tolerance=_STEPS,
    ),
    "int8": Recipe(
        quantises="everything inside, to int8; float at both ends",
        calibrated=True,
        recurrent=False,
        weights=("int8",),
        accepted=0.25,
        tolerance=_STEPS,
    ),
    "int8_io": Recipe(
        quantises="everything, to int8, both ends too; one scale for a dense layer: the smallest file",
        calibrated=True,
        recurrent=False,
        weights=("int8",),
        accepted=0.25,
        tolerance=_STEPS,
    ),
    "int16x8": Recipe(
        quantises="weights to int8, what flows between layers to int16; float at both ends",
        calibrated=True,
        recurrent=False,
        weights=("int8", "int16"),
        accepted=0.1,
        tolerance=32 / 65535,
    ),
    "mixed": Recipe(
        quantises="as int8, but for the layers that it costs most: as few stay in float as the budget needs",
        calibrated=True,
        recurrent=False,
        weights=("int8", "float32"),
        largest_left=math.inf,
        accepted=0.05,
        tolerance=_STEPS,
    ),
}
PLAIN: list[Name] = [name for name in RECIPES if name != "mixed"]
"""Those that need no budget, and no int8 model that is beyond it."""
