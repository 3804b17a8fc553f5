"""The canary against models damaged on purpose: what crashes, hangs or answers otherwise is refused."""

import asyncio
import dataclasses
import random
from collections import Counter
from pathlib import Path

import dense_model
import numpy as np
import psutil
import pytest
from sources import python

from edge_agent.bundle import Bundle, BundleError
from edge_agent.bundles import canary as trying
from edge_agent.bundles import operators
from edge_agent.bundles.canary import Late, Refused, canary
from edge_agent.core.spread import ROWS, kept, spread
from edge_agent.inference.process import InferenceFailed, InferenceProcess
from edge_agent.inference.proof import questions

pytestmark = pytest.mark.sockets

FLIPS = 12


def flipped(made: Bundle, bit: int) -> Bundle:
    """The bundle with one bit of its model flipped, and hashes as if that was meant."""
    model = bytearray(made.model)
    model[bit // 8] ^= 1 << bit % 8
    return dataclasses.replace(made, model=bytes(model))


@pytest.fixture
def whole(dense: Bundle) -> Bundle:
    """The dense bundle with what its model answers to inputs that are spread, from the model's formula."""
    within, _ = spread(questions(dense))
    answers = dense_model.expected(within[: kept(1)].reshape(-1, 4, 4)).astype(np.float32)
    return dataclasses.replace(dense, known=dataclasses.replace(dense.known, spread=answers))


async def let_through(made: Bundle) -> bool:
    """Whether an installation would take it."""
    try:
        if operators.problem(made.model, made.manifest.model.ops):
            return False
        await canary(made)
    except (Refused, BundleError):
        return False
    return True


async def answers(made: Bundle) -> np.ndarray:
    """Answers to inputs that the canary does not ask, in a child that must end well."""
    child = await InferenceProcess.start(made)
    try:
        asked = np.random.default_rng(5).normal(size=(500, 16)).astype(np.float32)
        said = await child.run(asked, 10.0)
        await child.end(5.0)
    finally:
        child.close()
    return said


def test_spread_inputs_are_the_same_for_ever_and_cover_the_range() -> None:
    known = np.array([[0.0, 10.0, -1.0], [1.0, 30.0, -1.0]], np.float32)
    within, beyond = spread(known)
    assert len(within) + len(beyond) == ROWS
    assert np.isfinite(beyond).all()
    assert (within >= known[0]).all()
    assert (within <= known[1]).all()
    np.testing.assert_array_equal(within[:2], known)
    # From SHAKE-256: another number here would make every bundle in the field fail its canary.
    np.testing.assert_allclose(within[2], [0.47135738, 12.6769562, -1.0], rtol=1e-6)


async def test_a_good_bundle_passes_and_its_child_is_gone(whole: Bundle) -> None:
    passed = await canary(whole)
    assert passed.inputs == ROWS
    assert passed.difference <= 1e-5
    assert 0 < passed.p50 <= passed.p99


async def test_known_answers_alone_would_miss_what_the_spread_shows(whole: Bundle) -> None:
    assert whole.known.spread is not None
    wrong = whole.known.spread.copy()
    wrong[-1] += 0.01
    known = dataclasses.replace(whole.known, spread=wrong)
    with pytest.raises(Refused, match=r"off by 0\.01 from what it answered to such inputs"):
        await canary(dataclasses.replace(whole, known=known))


async def test_a_model_too_slow_for_its_period_is_refused(
    whole: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "LONGEST_SHARE", 1e-6)
    with pytest.raises(Late, match=r"a call takes .* ms on this box; a cycle of 1 s waits 0\.001 ms"):
        await canary(whole)


async def test_a_child_that_does_not_end_well_is_refused(dense: Bundle) -> None:
    child = await InferenceProcess.start(dense)
    child._process.kill()
    with pytest.raises(InferenceFailed, match=r"did not end well \(SIGKILL\)"):
        await child.end(5.0)
    child.close()


async def test_flipped_bits_are_refused_or_harmless(whole: Bundle) -> None:
    """Every bit that is flipped is refused, or changes no answer by more than the tolerance."""
    right, dice, seen = await answers(whole), random.Random(11), Counter()
    for _ in range(FLIPS):
        bit = dice.randrange(8 * len(whole.model))
        bad = flipped(whole, bit)
        taken = await let_through(bad)
        seen[taken] += 1
        if not taken:
            continue
        difference = np.abs(await answers(bad) - right).max()
        assert difference <= 1e-5 + 1e-9, f"bit {bit}: off by {difference:.3g}"
    print(seen)
    assert min(seen[True], seen[False]) > 1


async def test_a_deadline_ends_it_and_leaves_no_child(whole: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "DEADLINE", 0.01)
    with pytest.raises(Late, match="did not end within"):
        await canary(whole)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_model_that_answers_well_and_then_never_returns_is_refused(
    dense: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the known answers, and loops for ever on numbers that no machine has shown yet."""
    path = tmp_path / "trap.tflite"
    python(Path(__file__).with_name("build_trap.py"), path)
    trap = dataclasses.replace(dense, model=path.read_bytes())
    monkeypatch.setattr(trying, "CALL_DEADLINE", 1.0)
    before = set(psutil.Process().children())
    with pytest.raises(Late, match=r"no answer from the model within 1 s, at input 90\d"):
        await canary(trap)
    assert set(psutil.Process().children()) <= before
