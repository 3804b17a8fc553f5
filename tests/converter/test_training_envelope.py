"""What is stored of training rows, judged by the agent's own guard."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from dense_model import manifest

from converter import envelope, facts
from converter.card import Card, Input, Output
from converter.dataset import Dataset
from converter.decisions import Course
from edge_agent import bundle
from edge_agent.core.drift import psi
from edge_agent.core.envelope import Guard, Likeness
from edge_agent.core.tags import Columns

NAMES = ["load", "temp", "flow", "fixed"]
CARD = Card(
    name="m",
    version="1",
    period=1.0,
    inputs=[Input(name=n) for n in NAMES],
    outputs=[Output(name="wear", kind="value")],
    train_rows=8000,
)


def rows_of(n: int = 10_000) -> np.ndarray:
    """A load that wanders, a temperature that follows it, a flow of its own, and a constant."""
    noise = np.random.default_rng(5)
    load = 50 + 20 * np.sin(np.arange(n) / 200) + noise.normal(size=n)
    temp = 20 + 0.8 * load + noise.normal(size=n)
    return np.column_stack([load, temp, noise.normal(3, 0.5, size=n), np.full(n, 7.0)])


def made_of(rows: np.ndarray, course: np.ndarray | None = None):
    data = Dataset(rows, {}, [range(4000), range(4000, len(rows))], 0)
    described, _ = facts.inputs(CARD, rows[:8000])
    bare = manifest(inputs=described, window=1)
    scores = np.linspace(0, 1, 500) if course is None else course
    courses = {"wear": Course(scores, scores, np.zeros(len(scores), np.bool_))}
    return msgspec.structs.replace(bare, envelope=envelope.of(bare, CARD, data, courses))


def image(row: np.ndarray) -> Columns:
    n = len(row)
    return Columns(row, np.full(n, 2, np.uint8), np.zeros(n, np.uint8), np.zeros(n, np.int64))


def share_outside(made, rows: np.ndarray) -> float:
    guard, count = Guard(made, made.envelope), 0
    for tick, row in enumerate(rows):
        guard.see(tick, image(row))
        count += guard.outside is not None
    return count / len(rows)


def test_training_rows_and_later_healthy_ones_are_inside():
    rows = rows_of()
    made = made_of(rows)
    assert share_outside(made, rows[:8000]) < 0.001
    assert share_outside(made, rows[8000:]) < 0.005
    assert share_outside(made, rows.astype(np.float32).astype(np.float64)) < 0.001


def test_what_each_bound_is_for_is_outside():
    rows = rows_of()
    made = made_of(rows)
    for column, value, name in ((0, 90.0, "load"), (1, 10.0, "temp"), (3, 7.1, "fixed")):
        guard, odd = Guard(made, made.envelope), rows[100].copy()
        odd[column] = value
        guard.see(1, image(odd))
        assert guard.outside is not None
        assert guard.outside.input == name
    guard = Guard(made, made.envelope)
    guard.see(1, image(np.array([40.0, 68.0, 3.0, 7.0])))
    assert guard.outside is not None, "each in its range, but the load does not explain the temperature"
    assert guard.outside.input in ("load", "temp")


def test_what_the_load_explains_is_what_was_simulated():
    made = made_of(rows_of())
    off = Likeness(made).unexplained(np.array([60.0, 20 + 0.8 * 60 + 11, 3.0, 7.0]))
    assert off[1] == pytest.approx(11, abs=0.3)
    assert off[2] == pytest.approx(0, abs=0.2)


def test_rows_beyond_the_training_rows_and_jumps_between_runs_do_not_count():
    rows = rows_of()
    spoilt = rows.copy()
    spoilt[8000:, 0] = 1e6
    spoilt[:4000, 2] += 100
    rate = made_of(spoilt).envelope.rate
    assert rate[0] == made_of(rows).envelope.rate[0]
    assert rate[2] == pytest.approx(made_of(rows).envelope.rate[2])
    assert rate[3] is None


def test_the_bins_hold_a_tenth_each_and_few_scores_none():
    made = made_of(rows_of(), np.linspace(0, 1, 20))
    for bins in made.envelope.bins[:3]:
        np.testing.assert_allclose(bins.shares, 0.1, atol=0.001)
        assert bins.hour >= bins.day >= 0
    assert made.envelope.bins[3].edges == [7.0]
    assert made.envelope.scores == {}


def test_the_usual_index_is_the_largest_of_any_hour():
    rows = rows_of(30_000)
    bins = envelope._bins(rows[:, 0], 1.0)
    places = np.searchsorted(bins.edges, rows[:, 0], side="right")
    hours = [psi(np.bincount(p, minlength=10), np.array(bins.shares)) for p in np.array_split(places, 8)]
    assert bins.hour == pytest.approx(max(hours), rel=0.05)


def test_shrinking_is_that_of_the_paper():
    """Against the definition, row by row."""
    z = np.random.default_rng(1).normal(size=(30, 5)) @ np.diag([1, 1, 1, 2, 3])
    n, p = z.shape
    s = z.T @ z / n
    m = np.trace(s) / p
    d2 = ((s - m * np.eye(p)) ** 2).sum() / p
    b2 = min(sum(((np.outer(x, x) - s) ** 2).sum() / p for x in z) / n**2, d2)
    expected = b2 / d2 * m * np.eye(p) + (d2 - b2) / d2 * s
    np.testing.assert_allclose(envelope.shrunk(z), expected)


def test_many_inputs_count_as_independent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(envelope, "MOST_JOINT", 3)
    made = made_of(rows_of())
    assert made.envelope.factor == []
    assert share_outside(made, rows_of()[:2000]) < 0.001


def test_a_converted_bundle_has_the_envelope_of_its_rows(line: Path, line_bundles: dict) -> None:
    made = bundle.read(line_bundles["float32"][0]).manifest
    rows = np.load(line / "data.npy")[:, :-1]
    assert made.envelope is not None
    assert len(made.envelope.bins) == 6
    assert list(made.envelope.scores) == made.drifting == [made.outputs[0].name]
    assert share_outside(msgspec.structs.replace(made, window=1), rows) < 0.01
