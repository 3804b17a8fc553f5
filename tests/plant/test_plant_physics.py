"""The rig behaves like the machine it claims to be."""

import numpy as np
import pytest

from edge_agent.plant.faults import Fault, FaultKind
from edge_agent.plant.registers import SIGNALS
from edge_agent.plant.rig import AMBIENT, RATED_SPEED, Rig

WARM = 3000  # cycles
ENVELOPE = {  # of a healthy rig at its rated speed, warm
    "speed": (1400, 1460),
    "load": (50, 105),
    "vibration": (1.0, 3.2),
    "bearing_temp": (38, 54),
    "motor_temp": (40, 90),
    "current": (12, 26),
    "flow": (14, 46),
    "pressure": (2.3, 4.8),
}


def record(rig, cycles):
    rows = [tuple(rig.step().values()) for _ in range(cycles)]
    return {name: np.array(column) for name, column in zip(SIGNALS, zip(*rows, strict=True), strict=True)}


def mean(history, start, stop):
    return {name: float(column[start * 10 : stop * 10].mean()) for name, column in history.items()}


def twins(kind, development=20.0, signal="", seconds=120, seed=5):
    """Record two warm rigs of one seed from the moment that the second becomes faulty."""
    histories = []
    for faulty in (False, True):
        rig = Rig(seed)
        record(rig, WARM)
        if faulty:
            rig.faults = (Fault(kind=kind, start=rig.now, development=development, signal=signal),)
        histories.append(record(rig, seconds * 10))
    return histories


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_healthy_rig_stays_within_its_limits_for_two_hours(seed):
    rig = Rig(seed)
    record(rig, WARM)
    history = record(rig, 72_000)
    for name, (low, high) in ENVELOPE.items():
        assert low <= history[name].min(), name
        assert history[name].max() <= high, name
        assert history[name].std() > 0, name


def test_two_rigs_of_one_seed_are_equal_and_of_two_seeds_are_not():
    first, second, other = record(Rig(9), 5000), record(Rig(9), 5000), record(Rig(10), 5000)
    for name in SIGNALS:
        assert np.array_equal(first[name], second[name]), name
        assert not np.array_equal(first[name], other[name]), name


def test_it_starts_cold_ramps_up_and_warms_slower_than_it_turns():
    history = record(Rig(1), 3000)
    assert history["speed"][0] < 50
    assert history["speed"][20] == pytest.approx(2.1 * 180, rel=0.1)
    assert mean(history, 10, 15)["speed"] == pytest.approx(RATED_SPEED, rel=0.02)
    assert history["bearing_temp"][0] == pytest.approx(AMBIENT, abs=1)
    early, late = mean(history, 10, 15), mean(history, 280, 300)
    assert early["bearing_temp"] < AMBIENT + 15 < late["bearing_temp"]
    assert early["motor_temp"] < AMBIENT + 15 < late["motor_temp"]


def test_a_stopped_rig_is_quiet_and_cools():
    rig = Rig(1)
    record(rig, WARM)
    rig.speed_setpoint = 0.0
    still = mean(record(rig, 3000), 280, 300)
    assert still["speed"] < 5
    assert still["vibration"] < 0.15
    assert still["flow"] < 1
    assert still["pressure"] < 0.1
    assert still["current"] < 0.2
    assert still["bearing_temp"] == pytest.approx(AMBIENT, abs=3)


def test_affinity_half_speed_gives_half_the_flow_and_a_quarter_of_the_pressure():
    flows, pressures = [], []
    for setpoint in (RATED_SPEED, RATED_SPEED / 2):
        rig = Rig(4)
        rig.speed_setpoint = setpoint
        late = mean(record(rig, 300), 15, 30)
        flows.append(late["flow"])
        pressures.append(late["pressure"])
    assert flows[1] / flows[0] == pytest.approx(0.5, abs=0.02)
    assert pressures[1] / pressures[0] == pytest.approx(0.25, abs=0.02)


def test_bearing_wear_shows_in_vibration_within_seconds_and_in_temperature_within_a_minute():
    healthy, worn = twins(FaultKind.BEARING_WEAR)
    rise = {t: mean(worn, t, t + 2)["vibration"] - mean(healthy, t, t + 2)["vibration"] for t in (4, 10, 30)}
    assert rise[4] > 1.5
    assert rise[10] > 4
    assert rise[30] > 8
    warmer = {
        t: mean(worn, t, t + 2)["bearing_temp"] - mean(healthy, t, t + 2)["bearing_temp"] for t in (4, 20, 60)
    }
    assert warmer[4] < 3
    assert warmer[20] > 10
    assert warmer[60] > 25
    drawn = mean(worn, 30, 120)["current"] / mean(healthy, 30, 120)["current"]
    assert 1.01 < drawn < 1.15
    assert mean(worn, 30, 120)["flow"] == pytest.approx(mean(healthy, 30, 120)["flow"], rel=0.01)


def test_only_a_badly_worn_bearing_passes_the_plcs_own_limit():
    rig = Rig(5)
    record(rig, WARM)
    rig.faults = (Fault(kind=FaultKind.BEARING_WEAR, start=rig.now, development=100.0),)
    history = record(rig, 1300)
    assert history["vibration"][:600].max() < 11.0
    assert history["vibration"][1000:].mean() > 11.0


def test_cavitation_costs_flow_and_pressure_and_makes_them_flutter():
    healthy, cavitating = twins(FaultKind.CAVITATION)
    before, after = mean(healthy, 30, 120), mean(cavitating, 30, 120)
    assert after["flow"] < 0.9 * before["flow"]
    assert after["pressure"] < 0.75 * before["pressure"]
    assert 1.0 < after["vibration"] - before["vibration"] < 4.0
    assert after["bearing_temp"] == pytest.approx(before["bearing_temp"], abs=2)
    assert np.diff(cavitating["flow"][300:]).std() > 2 * np.diff(healthy["flow"][300:]).std()


@pytest.mark.parametrize(("signal", "sensor"), [("", "vibration"), ("flow", "flow")])
def test_a_stuck_sensor_freezes_and_the_machine_goes_on(signal, sensor):
    healthy, stuck = twins(FaultKind.SENSOR_STUCK, signal=signal)
    assert stuck[sensor][0] == healthy[sensor][0]
    assert np.ptp(stuck[sensor]) == 0.0
    for name in set(SIGNALS) - {sensor}:
        assert np.array_equal(stuck[name], healthy[name]), name


@pytest.mark.parametrize(
    ("signal", "sensor", "offset"), [("", "bearing_temp", 42.5), ("pressure", "pressure", 2.5)]
)
def test_a_drifting_sensor_drifts_away_and_the_machine_does_not(signal, sensor, offset):
    healthy, drifting = twins(FaultKind.SENSOR_DRIFT, development=100.0, signal=signal)
    away = drifting[sensor] - healthy[sensor]
    assert away[0] < 0.01 * offset
    assert away[500] == pytest.approx(0.5 * offset, rel=0.02)
    assert away[1100] == pytest.approx(offset, rel=0.02)
    for name in set(SIGNALS) - {sensor}:
        assert np.array_equal(drifting[name], healthy[name]), name


def test_faults_add_up_and_go_when_they_are_repaired():
    rig = Rig(5)
    record(rig, WARM)
    wear = Fault(kind=FaultKind.BEARING_WEAR, start=rig.now)
    leak = Fault(kind=FaultKind.CAVITATION, start=rig.now)
    rig.faults = (wear, leak)
    both = mean(record(rig, 600), 30, 60)
    assert both["vibration"] > 13
    assert both["pressure"] < 3.2
    rig.faults = ()
    repaired = mean(record(rig, 1500), 120, 150)
    for name, (low, high) in ENVELOPE.items():
        assert low <= repaired[name] <= high, name


@pytest.mark.parametrize("dt", [0.05, 0.5, 1.0])
def test_the_physics_does_not_depend_on_the_step(dt):
    rig = Rig(2, dt)
    rig._next_demand = float("inf")
    history = record(rig, round(600 / dt))
    reference = Rig(2, 0.1)
    reference._next_demand = float("inf")
    expected = record(reference, 6000)
    for name in SIGNALS:
        tail, tail_expected = history[name][-round(100 / dt) :], expected[name][-1000:]
        assert tail.mean() == pytest.approx(tail_expected.mean(), rel=0.02), name
