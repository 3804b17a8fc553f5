"""The physics of a small pump rig: a speed-controlled motor, a bearing, a centrifugal pump, a valve.

A miniature rig on purpose: a bearing of its size follows its heat in 20 s and its motor in 60 s, so
that a fault that develops in 20 s shows in the vibration within seconds and in the temperature within
a minute. A real pump of this power is some thirty times slower; nothing else would change.

Pump and system obey the affinity laws: ``p = P0 n^2 - A q^2`` (pump) and ``p = K (q / valve)^2``
(system), solved for the flow. Vibration limits are read against ISO 20816-1: healthy is zone A/B.
"""

import math
from collections.abc import Iterator

import numpy as np

from edge_agent.plant.faults import Fault, FaultKind
from edge_agent.plant.registers import SIGNAL_POINTS, SIGNALS

RATED_SPEED = 1450.0
RAMP = 180.0  # rpm/s, as the drive is set
AMBIENT = 22.0

BEARING_TAU, MOTOR_TAU, VALVE_TAU = 20.0, 60.0, 5.0  # s
FLUTTER_TAU, VIBRATION_TAU = 0.15, 0.4  # s
DEMAND_MEAN = 90.0  # s between changes of the valve's setpoint, exponential
DEMAND_RANGE = (0.3, 1.0)

SHUTOFF_PRESSURE = 4.6  # bar at rated speed
PUMP_DROP = 1.1e-3  # bar/(m3/h)^2
SYSTEM_DROP = 1.4e-3  # bar/(m3/h)^2, valve fully open
RATED_FLOW = math.sqrt(SHUTOFF_PRESSURE / (PUMP_DROP + SYSTEM_DROP))
IDLE_POWER = 0.35  # of rated, at rated speed with the valve shut
SLIP = 0.015

MAGNETISING, RATED_CURRENT = 7.0, 24.0  # A
IMBALANCE, ROUGHNESS, WEAR_VIBRATION, CAVITATION_VIBRATION = 1.5, 0.5, 10.5, 2.2  # mm/s at rated speed
BEARING_HEAT, WEAR_HEAT, COPPER_HEAT, IRON_HEAT = 26.0, 38.0, 45.0, 10.0  # K at rated speed and load
DRIFT_SPAN = 0.25  # of the signal's range, when fully developed

NOISE = {
    "speed": 1.2,
    "load": 0.4,
    "vibration": 0.02,
    "bearing_temp": 0.06,
    "motor_temp": 0.08,
    "current": 0.05,
    "flow": 0.25,
    "pressure": 0.012,
}
_SCATTER = tuple(NOISE[name] for name in SIGNALS)
_LOW = tuple(point.low for point in SIGNAL_POINTS)
_HIGH = tuple(point.high for point in SIGNAL_POINTS)
_SPAN = {point.name: point.high - point.low for point in SIGNAL_POINTS}


class Rig:
    """The rig, standing still and cold at first. `step` advances it by `dt` seconds.

    Two rigs with the same seed and the same commands give the same numbers on one machine.
    `speed_setpoint` (rpm) and `faults` may be changed between steps; several faults may be active.
    """

    def __init__(self, seed: int, dt: float = 0.1, faults: tuple[Fault, ...] = ()) -> None:
        self.dt = dt
        self.speed_setpoint = RATED_SPEED
        self.faults = faults
        self._cycles = 0
        self._rng = np.random.default_rng(seed)
        self._normal = _normals(self._rng).__next__
        self._imbalance = IMBALANCE * float(self._rng.uniform(0.85, 1.15))
        self._speed = 0.0
        self._demand = self._valve = 0.7
        self._next_demand = self._rng.exponential(DEMAND_MEAN)
        self._bearing = self._motor = AMBIENT
        self._flutter = self._wobble = 0.0
        self._stuck: dict[Fault, float] = {}

    @property
    def now(self) -> float:
        """Seconds since the rig was made."""
        return self._cycles * self.dt

    def severity(self, kind: FaultKind) -> float:
        """Return how far the worst fault of this kind has developed, 0..1."""
        return max((fault.severity(self.now) for fault in self.faults if fault.kind is kind), default=0.0)

    def step(self) -> dict[str, float]:
        """Advance by `dt` and return the eight signals in engineering units, in the order of `SIGNALS`."""
        self._cycles += 1
        wear = self.severity(FaultKind.BEARING_WEAR)
        cavitation = self.severity(FaultKind.CAVITATION)
        self._move_valve()
        self._follow_setpoint()
        n = self._speed / RATED_SPEED
        self._flutter = self._coloured(self._flutter, FLUTTER_TAU)
        self._wobble = self._coloured(self._wobble, VIBRATION_TAU)

        flow, pressure = self._hydraulics(n, cavitation)
        power = n**3 * (IDLE_POWER + (1 - IDLE_POWER) * (flow / RATED_FLOW / n if n > 0.01 else 0.0))
        power += 0.05 * wear * n
        current = math.hypot(MAGNETISING, RATED_CURRENT * power / max(n, 0.2)) if n > 0.001 else 0.0
        vibration = self._vibration(n, power, wear, cavitation)
        self._heat(n, power, wear, current)

        truth = (
            self._speed * (1 - SLIP * power),
            100 * power,
            vibration,
            self._bearing,
            self._motor,
            current,
            flow,
            pressure,
        )
        return self._measured(truth)

    def _lag(self, tau: float) -> float:
        return 1.0 - math.exp(-self.dt / tau)

    def _coloured(self, state: float, tau: float) -> float:
        keep = math.exp(-self.dt / tau)
        return keep * state + math.sqrt(1 - keep * keep) * self._normal()

    def _move_valve(self) -> None:
        if self.now >= self._next_demand:
            self._next_demand = self.now + self._rng.exponential(DEMAND_MEAN)
            self._demand = float(self._rng.uniform(*DEMAND_RANGE))
        self._valve += (self._demand - self._valve) * self._lag(VALVE_TAU)

    def _follow_setpoint(self) -> None:
        reach = RAMP * self.dt
        setpoint = min(max(self.speed_setpoint, 0.0), 1750.0)
        self._speed += min(max(setpoint - self._speed, -reach), reach)

    def _hydraulics(self, n: float, cavitation: float) -> tuple[float, float]:
        """Return flow (m3/h) and discharge pressure (bar) where pump and system curve meet."""
        head = SHUTOFF_PRESSURE * n * n * (1 - 0.35 * cavitation) * (1 + 0.10 * cavitation * self._flutter)
        system = SYSTEM_DROP / self._valve**2
        flow = math.sqrt(max(head, 0.0) / (PUMP_DROP + system))
        return flow, system * flow * flow

    def _vibration(self, n: float, power: float, wear: float, cavitation: float) -> float:
        sound = self._imbalance * n * n + ROUGHNESS * power
        damage = WEAR_VIBRATION * wear * math.pow(n, 1.5) * (1 + 0.08 * self._flutter)
        bubbles = CAVITATION_VIBRATION * cavitation * n * (1 + 0.3 * self._flutter)
        return 0.05 + (sound + damage + max(bubbles, 0.0)) * (1 + 0.05 * self._wobble)

    def _heat(self, n: float, power: float, wear: float, current: float) -> None:
        friction = BEARING_HEAT * n * (0.6 + 0.4 * power) + WEAR_HEAT * wear * n
        copper = COPPER_HEAT * (current / RATED_CURRENT) ** 2 + IRON_HEAT * n
        ambient = AMBIENT + 1.5 * math.sin(self.now * 2 * math.pi / 3600)
        self._bearing += (ambient + friction - self._bearing) * self._lag(BEARING_TAU)
        self._motor += (ambient + copper - self._motor) * self._lag(MOTOR_TAU)

    def _measured(self, truth: tuple[float, ...]) -> dict[str, float]:
        """Put the sensors between the machine and the PLC: noise, their own faults, their range."""
        signals = {
            name: value + scatter * self._normal()
            for name, value, scatter in zip(SIGNALS, truth, _SCATTER, strict=True)
        }
        for fault in self.faults:
            severity = fault.severity(self.now)
            if fault.kind is FaultKind.SENSOR_DRIFT:
                signals[fault.sensor] += DRIFT_SPAN * severity * _SPAN[fault.sensor]
            elif fault.kind is FaultKind.SENSOR_STUCK and severity > 0:
                signals[fault.sensor] = self._stuck.setdefault(fault, signals[fault.sensor])
        return {
            name: min(max(value, low), high)
            for (name, value), low, high in zip(signals.items(), _LOW, _HIGH, strict=True)
        }


def _normals(rng: np.random.Generator) -> Iterator[float]:
    """Yield standard normal numbers without end, drawn in blocks: twenty times cheaper than one by one."""
    while True:
        yield from rng.standard_normal(4096).tolist()
