"""Damaged bundles: what the hashes refuse, and what the canary lets through once they are made to fit again.

    python bench/mutations.py edge_agent/demo/bearing.bundle --flips 3000 --cuts 500 --canaries 300

Every bit flip and every cut of the file must be refused by its hashes. Then one bit of the model inside is
flipped, with hashes as if somebody had meant it. What passes the canary is asked 2,000 other inputs in
another child: it must live, end well, and answer as the undamaged model does, within the known tolerance.
"""

import argparse
import asyncio
import dataclasses
import json
import random
import time
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np

from edge_agent import bundle
from edge_agent.bundle import Bundle, BundleError
from edge_agent.bundles import operators
from edge_agent.bundles.canary import Refused, canary
from edge_agent.core.packing import spans
from edge_agent.core.spread import kept, spread
from edge_agent.inference.process import Floats32, InferenceFailed, InferenceProcess
from edge_agent.inference.proof import questions
from edge_agent.inference.replay import openings, replay

OTHERS = 2000


class Found(msgspec.Struct, kw_only=True):
    """Counts. `through` is what passed the canary; of that `harmless` answered as the undamaged model."""

    flips: int = 0
    cuts: int = 0
    unnoticed: int = 0
    canaries: int = 0
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    through: int = 0
    harmless: int = 0
    different: list[str] = []
    died: list[str] = []
    slowest: float = 0.0


def flipped(data: bytes, bit: int) -> bytes:
    """Return the same bytes but for one bit."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def hashes(path: Path, flips: int, cuts: int, dice: random.Random, found: Found) -> None:
    """Damage the file; count what is taken all the same."""
    data = path.read_bytes()
    damaged = [flipped(data, dice.randrange(8 * len(data))) for _ in range(flips)]
    damaged += [data[: dice.randrange(len(data))] for _ in range(cuts)]
    for bad in damaged:
        try:
            bundle.decode(bad, path)
        except BundleError:
            continue
        found.unnoticed += 1
    found.flips += flips
    found.cuts += cuts


def others(made: Bundle) -> Floats32:
    """Return inputs that the canary does not have, within the range of the known ones."""
    known = questions(made)
    share = np.random.default_rng(99).random((OTHERS, known.shape[1]))
    rows: Floats32 = (known.min(axis=0) + share * (known.max(axis=0) - known.min(axis=0))).astype(np.float32)
    return rows


async def answers(made: Bundle) -> Floats32:
    """Answer them in a child of its own, which must end well."""
    child = await InferenceProcess.start(made)
    try:
        asked = openings(child, others(made))
        answered = await child.run(asked, 60.0)
        await child.end(5.0)
    finally:
        child.close()
    return answered


def differs(made: Bundle, answered: Floats32, right: Floats32) -> float:
    """Return by how many tolerances the answers are off at most."""
    off = 0.0
    for tensor, span in zip(
        made.manifest.model.outputs, spans(made.manifest.model.outputs).values(), strict=True
    ):
        difference = np.abs(answered[:, span].astype(np.float64) - right[:, span]).max()
        off = max(off, float(difference / max(tensor.tolerance, 1e-12)))
    return off


async def meant(made: Bundle, count: int, dice: random.Random, found: Found) -> None:
    """Flip one bit of the model, as if it were meant."""
    right = await answers(made)
    if made.known.spread is None:
        made = await with_spread(made)
    for _ in range(count):
        bit = dice.randrange(8 * len(made.model))
        bad = with_model(made, flipped(made.model, bit))
        found.canaries += 1
        started = time.monotonic()
        reason = await refusal(bad)
        found.slowest = max(found.slowest, time.monotonic() - started)
        if reason:
            found.reasons[reason] += 1
            continue
        found.through += 1
        where = f"{made.manifest.name}, bit {bit}"
        try:
            off = differs(made, await answers(bad), right)
        except InferenceFailed as error:
            found.died.append(f"{where}: {error}")
            continue
        if off <= 1.0:
            found.harmless += 1
        else:
            found.different.append(f"{where}: {off:.3g} tolerances")


async def with_spread(made: Bundle) -> Bundle:
    """Return an older bundle with what a conversion keeps today."""
    windows, _ = spread(questions(made))
    child = await InferenceProcess.start(made)
    try:
        said = await replay(child, windows[: kept(made.manifest.model.output_size)], 60.0)
    finally:
        child.close()
    return dataclasses.replace(made, known=dataclasses.replace(made.known, spread=said))


def with_model(made: Bundle, model: bytes) -> Bundle:
    """Return the bundle with another model, its hashes as if they had been made for it."""
    return Bundle(made.manifest, model, made.known, made.sha256, made.text, made.signature)


async def refusal(bad: Bundle) -> str:
    """Return in a few words why an installation refuses it, "" if it does not."""
    try:
        if operators.problem(bad.model, bad.manifest.model.ops):
            return "operators"
        await canary(bad)
    except BundleError:
        return "not readable"
    except Refused as error:
        return kind_of(str(error))
    return ""


def kind_of(text: str) -> str:
    """Return what sort of refusal it is."""
    for word in (
        "known answers",
        "SIG",
        "no answer",
        "NaN",
        "asked again",
        "batch",
        "exit code",
        "a call takes",
    ):
        if word in text:
            return word
    return "the runtime refuses it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--flips", type=int, default=3000)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--canaries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for path in asked.bundles:
        dice, found = random.Random(asked.seed), Found()
        hashes(path, asked.flips, asked.cuts, dice, found)
        asyncio.run(meant(bundle.read(path), asked.canaries, dice, found))
        print(path.name, json.dumps(msgspec.to_builtins(found)), flush=True)


if __name__ == "__main__":
    main()
