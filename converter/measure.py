"""A candidate on the gateway: its answers, its time and its memory, in the gateway's own child."""

from dataclasses import dataclass

import numpy as np

from converter.dataset import Floats32
from edge_agent.bundle import Bundle
from edge_agent.inference.process import InferenceFailed, InferenceProcess
from edge_agent.inference.replay import openings, replay
from edge_agent.inference.timing import DEADLINE, Latency, latencies, resident

_BATCH = 128


@dataclass(frozen=True, slots=True)
class Ran:
    """What one candidate did: packed answers, its time, the child's memory in bytes."""

    answers: Floats32
    latency: Latency
    rss: int


async def run(bundles: list[Bundle], asked: Floats32) -> list[Ran | str]:
    """Ask every candidate all packed inputs, each in a child of its own. A text says why not."""
    children: dict[int, InferenceProcess] = {}
    failures: dict[int, str] = {}
    answers: dict[int, Floats32] = {}
    try:
        for i, bundle in enumerate(bundles):
            try:
                children[i] = await InferenceProcess.start(bundle)
                answers[i] = await _answer(children[i], asked)
            except InferenceFailed as error:
                failures[i] = f"the gateway cannot run it: {error}"
        able = {i: children[i] for i in answers}
        times = await latencies(able, {i: openings(child, asked) for i, child in able.items()})
        memory = {i: resident(child.pid) for i, child in able.items()}
    finally:
        for child in children.values():
            child.close()
    return [
        Ran(answers[i], times[i], memory[i]) if i in answers else failures[i] for i in range(len(bundles))
    ]


async def _answer(child: InferenceProcess, asked: Floats32) -> Floats32:
    batches = (asked[i : i + _BATCH] for i in range(0, len(asked), _BATCH))
    return np.concatenate([await replay(child, batch, DEADLINE) for batch in batches])
