"""The recipes that are wanted, converted and judged, and one of them chosen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from converter import auto, compare, dataset, finishing, job, judging, making, mixing
from converter.auto import Budget, Candidate
from converter.card import Output
from converter.dataset import Floats32, Windows
from converter.errors import ConverterError
from converter.holdout import Split
from converter.known import Asked
from converter.mixing import Evidence, Tried
from converter.process import TensorFlow
from converter.recipes import PLAIN, RECIPES, Name
from converter.target import Target
from edge_agent.core.manifest import Manifest
from edge_agent.core.packing import Packing

FEWEST = 20
"""Windows: fewer cannot calibrate."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The recipe, or "auto"; within which budget; whether to measure what int8 costs layer by layer.

    Times are those of `target` if there is one, else of this machine.
    """

    recipe: Name | Literal["auto"]
    budget: Budget
    by_layer: bool
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: `draft` knows the model, one of `judged` is chosen, `tflite` is its model.

    `answers` are the original's to all that it was asked, `original` those to the windows of `seen`; packed.
    """

    draft: Manifest
    facts: job.Facts
    seen: Windows
    answers: Floats32
    original: Floats32
    judged: list[Candidate]
    chosen: Candidate
    tflite: bytes
    sensitivity: job.Sensitivity | None


def choose(
    wanted: Wanted,
    task: job.Convert,
    draft: Manifest,
    outputs: list[Output],
    *,
    asked: Asked,
    split: Split,
    tensorflow: TensorFlow,
    deadline: float,
    progress: Callable[[str], None],
) -> Outcome:
    """Convert by each recipe, judge what was made, and choose. Raises `ConverterError`.

    `task` needs no recipes yet; `outputs` are what the card says of the model's answers.
    """
    able, unable = _able(wanted.recipe, split)
    calibration = dataset.flat(draft, asked.data.rows, split.calibrating)
    progress("loading the model with TensorFlow, in a process of its own")
    task = msgspec.structs.replace(task, recipes=[name for name in able if name in PLAIN])
    made = making.make(task, asked.flat, calibration, tensorflow, deadline=deadline, progress=progress)
    draft = finishing.with_model(draft, outputs, made.facts)
    progress("measuring in the gateway's inference process")
    seen, original = asked.seen(draft), made.answers[: len(split.held)]
    tried = Tried(made.converted, judging.judge(draft, seen, original, made.converted))
    if "mixed" in able or (wanted.by_layer and split.training >= FEWEST):
        tried = mixing.extend(
            tried,
            _by_layer(task, draft, "mixed" in able, wanted.budget),
            Evidence(seen, original, Packing.of(draft)(calibration)),
            tensorflow,
            measure=wanted.by_layer,
            deadline=deadline,
            progress=progress,
        )
    judged = tried.judged + [Candidate(recipe=name, reason=reason) for name, reason in unable.items()]
    if wanted.target:
        judged = wanted.target.judge(judged, {c.recipe: c.tflite for c in tried.converted})
    if wanted.recipe == "auto":
        judged = auto.choose(judged, wanted.budget)
    else:
        judged = _asked_for(judged, wanted.recipe, wanted.budget)
    chosen = next(c for c in judged if c.chosen)
    tflite = next(c.tflite for c in tried.converted if c.recipe == chosen.recipe)
    return Outcome(draft, made.facts, seen, made.answers, original, judged, chosen, tflite, tried.sensitivity)


def _able(wanted: Name | Literal["auto"], split: Split) -> tuple[list[Name], dict[Name, str]]:
    """Return the recipes for which there is data enough, and for the others why not."""
    names: list[Name] = list(RECIPES) if wanted == "auto" else [wanted]
    unable = {
        name: f"{name} needs at least {FEWEST} training windows to calibrate, there are {split.training}"
        for name in names
        if RECIPES[name].calibrated and split.training < FEWEST
    }
    if wanted != "auto" and unable:
        raise ConverterError(f"{unable[wanted]}; give more data or use another recipe")
    able = [name for name in names if name not in unable]
    return (["int8", "mixed"] if able == ["mixed"] else able), unable


def _by_layer(task: job.Convert, draft: Manifest, rescue: bool, budget: Budget) -> job.ByLayer:
    return job.ByLayer(
        model=task.model,
        manifest=draft,
        rescue=rescue,
        max_error=budget.max_error,
        max_flips=budget.max_flips,
        loading=task.loading,
    )


def _asked_for(judged: list[Candidate], recipe: Name, budget: Budget) -> list[Candidate]:
    """Return the candidates with that of `recipe` chosen. Raises `ConverterError` if it is not usable."""
    found = []
    for c in judged:
        if c.recipe != recipe:
            found.append(msgspec.structs.replace(c, reason=auto.over(c.recipe, c.measured, budget)))
            continue
        if c.measured is None:
            raise ConverterError(c.reason)
        compare.refuse_garbage(recipe, c.measured.comparison, budget.max_error)
        found.append(msgspec.structs.replace(c, chosen=True, reason="asked for"))
    return found
