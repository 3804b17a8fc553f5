"""The alarm of a converted model kept to a budget of false alarms, by what it says of the healthy history."""

import msgspec

from converter import alarm_budget, decisions, gateway, judging
from converter.alarm_budget import Budget, TooShort
from converter.card import Card
from converter.dataset import Dataset
from converter.errors import ConverterError
from edge_agent.bundle import Bundle
from edge_agent.core.manifest import Manifest
from edge_agent.inference.process import InferenceFailed

ENOUGH = 1000
"""Windows of rows that the model was not trained on: with fewer, those that it was trained on count, too."""

MOST = 0.1
"""Alarms a score that may be asked for."""


def keep_to(
    manifest: Manifest, tflite: bytes, said: Card, rows: Dataset, rate: float
) -> tuple[Manifest, Budget]:
    """Return the manifest with limits on its first output, and why: `rate` false alarms a second.

    All of `rows` are taken to be healthy. What the card says of the delays stays. Raises `ConverterError`.
    """
    output = manifest.outputs[0]
    if output.kind == "class" and not output.normal:
        raise ConverterError(f"output {output.name!r}: classes without a normal one have no score to limit")
    if rate * manifest.period > MOST:
        raise ConverterError(
            f"--false-alarms: {per_week(rate)} is more than one in {1 / MOST:g} scores; ask for fewer"
        )
    unsealed = Bundle(manifest, tflite, judging.NOTHING, "")
    asked = gateway.all_windows(unsealed, rows)
    try:
        answers = gateway.wait_for(gateway.answer_all(unsealed, rows, asked.packed))
    except InferenceFailed as error:
        raise ConverterError(f"the gateway cannot run the converted model: {error}") from None
    scores = decisions.courses(manifest, asked, answers)[output.name].scores
    fresh = asked.ends >= (said.train_rows or 0)
    seen = not said.train_rows or int(fresh.sum()) < ENOUGH
    runs = [scores[part][fresh[part] | seen] for part in asked.stretches()]
    limits = output.limits
    try:
        found = alarm_budget.choose(
            output.name,
            runs,
            manifest.period,
            rate,
            below=limits is not None and limits.when == "below",
            on_delay=limits.on_delay if limits and limits.on_delay else None,
            off_delay=limits.off_delay if limits else 0.0,
        )
    except TooShort as error:
        raise ConverterError(f"--false-alarms: {error}; give more healthy history") from None
    outputs = [msgspec.structs.replace(output, limits=found.limits), *manifest.outputs[1:]]
    return msgspec.structs.replace(manifest, outputs=outputs), msgspec.structs.replace(found, trained_on=seen)


def warnings(found: Budget) -> list[str]:
    """Return what the budget cannot promise."""
    told = []
    if not found.promised:
        told.append(
            f"{days(found.history)} of healthy history do not promise {per_week(found.rate)}: it may be "
            f"{per_week(found.at_most)} (95 %); {days(found.needed)} without a false alarm would promise it"
        )
    if found.trained_on:
        told.append("the alarm's limit comes from rows that the model was trained on: new ones score higher")
    return told


def text(found: Budget) -> str:
    """Say in one line what was chosen."""
    limits = found.limits
    sure = f"95 %: {found.low:.4g} to {found.high:.4g}, {found.peaks} peaks of {days(found.history)}"
    return (
        f"{limits.when} {limits.on:.4g} for {limits.on_delay:g} s ({sure}); "
        f"it would have been raised {found.raised} times"
    )


def per_week(rate: float) -> str:
    """Say a rate as people do."""
    return f"{rate * 604_800:.3g} a week"


def days(seconds: float) -> str:
    """Say a length of time in days."""
    return f"{seconds / 86_400:.3g} days"
