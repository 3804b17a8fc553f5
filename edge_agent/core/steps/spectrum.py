"""The power of a waveform in bands: of frequency, or of orders of a shaft's speed.

A waveform is a group of columns, ``name[0]`` to ``name[N-1]``, N samples that were taken `rate` Hz apart.
The power is that of a periodogram as Heinzel, Rüdiger and Schilling have it (Spectrum and spectral density
estimation by the DFT, 2002, section 9, normalised by the sum of the squared taper): the mean is taken out,
and all bands together hold the mean square of the tapered waveform (Parseval), in the waveform's unit
squared.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from edge_agent.core.steps.step import Floats, Plan, Step, StepError, elements, place_of, without

Band = tuple[float, float]
Taper = Literal["hann", "rectangular"]
_LONGEST = 1 << 16
"""Samples to which a waveform is resampled."""


class BandPower(
    Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="band_power"
):
    """The waveform's power in `bands` of Hz, each from its low end to just below its high one.

    The columns ``COLUMN LOW-HIGH Hz`` stand at the end, in place of the waveform.
    """

    column: str
    rate: float
    bands: list[Band]
    taper: Taper = "hann"

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        wave = elements(self.column, columns)
        kept = without(wave, columns)
        if not self.rate > 0:
            raise StepError(f"rate {self.rate:g}: must be more than 0 Hz")
        power = _powers(len(wave), self.rate, self.bands, self.taper, "Hz")
        made = {f"{self.column} {low:g}-{high:g} Hz": columns[wave[0]] for low, high in self.bands}

        def run(rows: Floats) -> Floats:
            return np.concatenate((rows.take(kept, axis=-1), power(rows.take(wave, axis=-1))), axis=-1)

        return Plan((*(columns[p] for p in kept), *made), run, origins=made)


class OrderPower(
    Step, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="order_power"
):
    """The waveform's power in bands of `orders`, multiples of the speed of a shaft.

    Computed order tracking (Fyfe and Munck, Analysis of computed order tracking, Mechanical Systems and
    Signal Processing 11(2), 1997): the shaft's angle is the sum of its speed, and the waveform is resampled,
    by cubic convolution (Keys, IEEE Transactions on Acoustics, Speech and Signal Processing 29(6), 1981), at
    equal angles over the last whole revolutions. `speed` is a column in revolutions per minute, or a group
    with one for each sample. There are as many revolutions as the waveform has at `slowest`; a shaft that
    makes fewer has power 0. The columns ``COLUMN order LOW-HIGH`` stand at the end, in place of the waveform
    and, if it is a group, of the speed.
    """

    column: str
    speed: str
    rate: float
    orders: list[Band]
    slowest: float
    taper: Taper = "hann"

    def plan(self, columns: Sequence[str], period: float) -> Plan:
        """Plan as `Step` says."""
        del period
        wave = elements(self.column, columns)
        single = self.speed in columns
        speed = [place_of(self.speed, columns)] if single else elements(self.speed, columns)
        if len(speed) not in (1, len(wave)):
            raise StepError(f"speed has {len(speed)} elements, the waveform {len(wave)}; one or as many")
        if not (self.rate > 0 and self.slowest > 0):
            raise StepError("rate and slowest must be more than 0")
        revolutions = math.floor((len(wave) - 1) / self.rate * self.slowest / 60 + 1e-9)
        each = math.ceil(self.rate * 60 / self.slowest)  # as dense as the samples at the slowest
        if revolutions < 1:
            raise StepError(f"at slowest {self.slowest:g} rpm the waveform is shorter than a revolution")
        if revolutions * each > _LONGEST:
            raise StepError(f"at slowest {self.slowest:g} rpm there are more than {_LONGEST} angles")
        power = _powers(revolutions * each, float(each), self.orders, self.taper, "orders")
        kept = without(wave if single else [*wave, *speed], columns)
        made = {f"{self.column} order {low:g}-{high:g}": columns[wave[0]] for low, high in self.orders}

        def run(rows: Floats) -> Floats:
            found = np.zeros((*rows.shape[:-1], len(self.orders)))
            for row in np.ndindex(rows.shape[:-1]):
                angle = _angles(rows[row][speed], len(wave), self.rate)
                if angle[-1] >= revolutions:
                    wanted = angle[-1] - revolutions + np.arange(revolutions * each) / each
                    at = np.interp(wanted, angle, np.arange(float(len(wave))))
                    found[row] = power(_resampled(rows[row][wave], at))
            return np.concatenate((rows.take(kept, axis=-1), found), axis=-1)

        return Plan((*(columns[p] for p in kept), *made), run, origins=made)


def _angles(speed: Floats, samples: int, rate: float) -> Floats:
    """Return the revolutions since the first sample, float64[samples]; 0 for a shaft that turns back."""
    turns = np.broadcast_to(speed, samples) / (60 * rate)
    if not (turns > 0).all():
        return np.zeros(samples)
    return np.concatenate(([0.0], np.cumsum((turns[1:] + turns[:-1]) / 2)))


def _resampled(wave: Floats, at: Floats) -> Floats:
    """Return the waveform at places between its samples."""
    last = len(wave) - 1
    before = np.minimum(at.astype(np.intp), last - 1)
    part = at - before
    a, b = wave[np.maximum(before - 1, 0)], wave[before]
    c, d = wave[before + 1], wave[np.minimum(before + 2, last)]
    cubic = 3 * (b - c) + d - a
    square = 2 * a - 5 * b + 4 * c - d
    found: Floats = b + part / 2 * (c - a + part * (square + part * cubic))
    return found


def _powers(
    size: int, rate: float, bands: Sequence[Band], taper: Taper, unit: str
) -> Callable[[Floats], Floats]:
    """Return what turns float64[..., size] into its power in each band, float64[..., bands]."""
    n = np.arange(size)
    shape = np.ones(size) if taper == "rectangular" else 0.5 - 0.5 * np.cos(2 * np.pi * n / size)
    at = np.arange(size // 2 + 1) * (rate / size)
    both = np.full(len(at), 2.0)
    both[0] = 1.0
    if size % 2 == 0:
        both[-1] = 1.0  # the highest frequency stands alone, as the mean does
    weight = both / (size * np.sum(shape**2))
    spans = []
    if not bands:
        raise StepError("names no band")
    for low, high in bands:
        ends = np.searchsorted(at, (low, high))
        stop = len(at) if high >= rate / 2 else int(ends[1])
        if not 0 <= low < high <= rate / 2 or stop <= ends[0]:
            raise StepError(
                f"band {low:g}-{high:g}: low to high, at most {rate / 2:g} {unit}, and no narrower than "
                f"the distance of two lines, {rate / size:.3g}"
            )
        spans.append(slice(int(ends[0]), stop))

    def powers(wave: Floats) -> Floats:
        mean = np.add.reduce(np.ascontiguousarray(wave), axis=-1)[..., np.newaxis] / size
        lines = np.fft.rfft((wave - mean) * shape, axis=-1)
        power = (lines.real**2 + lines.imag**2) * weight
        sums = [np.add.reduce(np.ascontiguousarray(power[..., span]), axis=-1) for span in spans]
        return np.stack(sums, axis=-1)

    return powers
