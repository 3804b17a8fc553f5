"""How far off a forecast was, once that which was forecast has come."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Forecasts:
    """The forecasts of the last `horizon` ticks, each kept until the tick that it was made for."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._values = [math.nan] * horizon
        self._made: list[int | None] = [None] * horizon

    def residual(self, tick: int, came: float, forecast: float) -> float:
        """Return how far off the forecast for this tick was; NaN if there was none. Keep the one made now."""
        place = tick % self._horizon
        due = self._made[place] == tick - self._horizon
        found = abs(self._values[place] - came) if due else math.nan
        self._values[place], self._made[place] = forecast, tick
        return found

    def clear(self) -> None:
        """Forget all: the window restarted."""
        self._made = [None] * self._horizon


def residuals(horizon: int, came: Floats, forecasts: Floats) -> Floats:
    """Return what `Forecasts` gives for k ticks that follow each other without a restart: float64[k]."""
    found = np.full(len(came), np.nan)
    found[horizon:] = np.abs(forecasts[:-horizon] - came[horizon:])
    return found
