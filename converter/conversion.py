"""From a trained model, its data and its card to a bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from converter import (
    auto,
    card_file,
    compare,
    dataset,
    decisions,
    facts,
    finishing,
    guessing,
    holdout,
    job,
    judging,
    known,
    making,
    mixing,
    pages,
    process,
    signing,
)
from converter.auto import Budget, Candidate
from converter.card import Card
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.holdout import Split
from converter.job import ByLayer, Sensitivity
from converter.loading import AS_IT_IS, Loading, require
from converter.mixing import Evidence, Tried
from converter.process import TensorFlow, borrowed
from converter.recipes import PLAIN, RECIPES, Name
from converter.report import Report
from edge_agent import __version__, bundle
from edge_agent.core.manifest import Manifest, Origin
from edge_agent.core.packing import Packing

FEWEST, FEW = 20, 100
"""Windows: fewer than `FEWEST` cannot calibrate, fewer than `FEW` are worth a warning."""


def convert(
    model: Path,
    data: Path,
    card: Path | Card | None,
    out: Path,
    recipe: Name | Literal["auto"] = "auto",
    *,
    loading: Loading = AS_IT_IS,
    drop_nan: bool = False,
    html: Path | None = None,
    sign: Path | None = None,
    max_error: float | None = None,
    max_flips: float = auto.MAX_FLIPS,
    deadline: float = process.DEADLINE,
    verbose: bool = False,
    tensorflow: TensorFlow | None = None,
    progress: Callable[[str], None] = lambda _: None,
    inferred: Callable[[str], None] = lambda _: None,
) -> Report:
    """Convert a Keras model to a bundle at `out`, or write nothing.

    Without a `card` one is inferred from the data and the model, and `inferred` is called with its text.
    With the recipe "auto" every recipe is tried and the best one within the budget is taken, see
    `converter.auto`. `max_error` is a fraction of the output's range and replaces the recipe's own;
    `max_flips` is a fraction of the windows held back and counts for "auto" only. `loading` names weights
    apart from an architecture, and code to trust. `html` is where to write the report, `sign` the private
    key to sign with, `deadline` is for each job of TensorFlow, in seconds, `tensorflow` is one that is kept
    for the next conversion. Raises `ConverterError` (`CardError` for the card) and OSError.
    """
    _require(model, loading, out, html)
    key = signing.load(sign) if sign else None
    with borrowed(tensorflow, verbose) as loaded:
        said, text = card_file.load(card) if isinstance(card, Path) else card, ""
        if said is None:
            progress("inferring a card")
            said, text = guessing.guess(model, data, loading, loaded, deadline)
            inferred(text)
        progress("reading the data")
        rows = dataset.load(data, said, drop_nan, [o for o in said.outputs if o.divide_by_max])
        split = holdout.split(said, rows)
        able, unable = _able(_to_try(recipe), split)
        if recipe != "auto" and recipe in unable:
            raise ConverterError(f"{unable[recipe]}; give more data or use another recipe")
        draft = facts.draft(said, rows, _origin(model, data, loading))
        outputs = facts.in_engineering_units(said, rows, draft.steps)
        asked, calibration = (
            known.Asked.of(draft, rows, split.held),
            dataset.flat(draft, rows.rows, split.calibrating),
        )
        progress("loading the model with TensorFlow, in a process of its own")
        columns = [job.Column(name=i.name, tensor=i.tensor) for i in said.inputs]
        task = job.Convert(
            model=str(model.absolute()),
            recipes=[name for name in able if name in PLAIN],
            window=said.window,
            columns=columns,
            loading=loading,
        )
        budget = Budget(max_error, max_flips)
        made = making.make(task, asked.flat, calibration, loaded, deadline=deadline, progress=progress)
        draft = finishing.with_model(draft, outputs, made.facts)
        progress("measuring in the gateway's inference process")
        seen, original = asked.seen(draft), made.answers[: len(split.held)]
        tried = Tried(made.converted, judging.judge(draft, seen, original, made.converted))
        if "mixed" in able or (html is not None and split.training >= FEWEST):
            wanted = ByLayer(
                model=task.model,
                manifest=draft,
                rescue="mixed" in able,
                max_error=max_error,
                max_flips=max_flips,
                loading=loading,
            )
            tried = mixing.extend(
                tried,
                wanted,
                Evidence(seen, original, Packing.of(draft)(calibration)),
                loaded,
                measure=html is not None,
                deadline=deadline,
                progress=progress,
            )
    judged = tried.judged + [Candidate(recipe=name, reason=reason) for name, reason in unable.items()]
    judged = auto.choose(judged, budget) if recipe == "auto" else _asked_for(judged, recipe, budget)
    chosen = next(c for c in judged if c.chosen)
    tflite = next(c.tflite for c in tried.converted if c.recipe == chosen.recipe)
    progress("writing the bundle")
    manifest = finishing.finished(draft, chosen, tflite, original)
    windows, originals = asked.known(manifest, made.answers, decisions.courses(draft, seen, original))
    finishing.write(out, manifest, tflite, windows, originals)
    if key is not None:
        signing.sign(out, key)
    found = _report(
        out, rows, split, judged, sensitivity=tried.sensitivity, loaded_with=made.facts.loaded_with, card=text
    )
    if html is not None:
        progress("drawing the report")
        pages.of_conversion(html, found, seen, original)
    return found


def _require(model: Path, loading: Loading, out: Path, html: Path | None) -> None:
    if not out.absolute().parent.is_dir():
        raise ConverterError(f"{out}: the directory {out.absolute().parent} does not exist")
    require(model, loading)
    if html is not None:
        pages.check(html)


def _to_try(recipe: Name | Literal["auto"]) -> list[Name]:
    match recipe:
        case "auto":
            return list(RECIPES)
        case "mixed":
            return ["int8", "mixed"]
    return [recipe]


def _able(wanted: list[Name], split: Split) -> tuple[list[Name], dict[Name, str]]:
    """Return the recipes for which there is data enough, and for the others why not."""
    unable: dict[Name, str] = {
        name: f"{name} needs at least {FEWEST} training windows to calibrate, there are {split.training}"
        for name in wanted
        if RECIPES[name].calibrated and split.training < FEWEST
    }
    return [name for name in wanted if name not in unable], unable


def _asked_for(judged: list[Candidate], recipe: Name, budget: Budget) -> list[Candidate]:
    [wanted] = (c for c in judged if c.recipe == recipe)
    if wanted.measured is None:
        raise ConverterError(wanted.reason)
    compare.refuse_garbage(recipe, wanted.measured.comparison, budget.max_error)
    chosen = msgspec.structs.replace(wanted, chosen=True, reason="asked for")
    others = [c for c in judged if c.recipe != recipe]
    return [msgspec.structs.replace(c, reason=auto.over(c.recipe, c.measured, budget)) for c in others] + [
        chosen
    ]


def _origin(model: Path, data: Path, loading: Loading) -> Origin:
    return Origin(
        converter=f"edge-converter {__version__}",
        tools={},
        model_sha256=facts.fingerprint(model, *loading.files),
        data_sha256=facts.fingerprint(data),
    )


def _warnings(written: Manifest, data: Dataset, split: Split, chosen: Candidate) -> list[str]:
    found = [
        f"input {i.name} is always {i.min:g}: the model cannot have learnt from it"
        for i in written.inputs
        if i.min == i.max
    ]
    if data.dropped:
        found.append(f"{data.dropped} rows were not finite and were left out")
    if RECIPES[chosen.recipe].calibrated and len(split.calibrating) < FEW:
        found.append(
            f"{chosen.recipe} was calibrated with only {len(split.calibrating)} windows; give {FEW} or more"
        )
    if chosen.recipe == "dynamic_int8" and chosen.measured and "int8" not in chosen.measured.weights:
        found.append("no layer has 1024 weights or more, so dynamic_int8 left all of them float32")
    if not split.clean:
        found.append(
            f"too few rows to hold {holdout.FEWEST_HELD} windows back: the errors are those of rows that"
            " calibration saw, too"
        )
    return found


def _report(
    out: Path,
    data: Dataset,
    split: Split,
    judged: list[Candidate],
    *,
    sensitivity: Sensitivity | None,
    loaded_with: str,
    card: str,
) -> Report:
    written = bundle.read(out)
    chosen = next(c for c in judged if c.chosen)
    assert chosen.measured is not None
    return Report(
        bundle=str(out),
        sha256=written.sha256,
        name=written.manifest.name,
        version=written.manifest.version,
        recipe=chosen.recipe,
        reason=chosen.reason,
        size=out.stat().st_size,
        model_size=len(written.model),
        loaded_with=loaded_with,
        card=card,
        weights=chosen.measured.weights,
        rows=len(data.rows),
        rows_dropped=data.dropped,
        rows_held_back=split.clean,
        comparison=chosen.measured.comparison,
        tolerances={t.name: t.tolerance for t in written.manifest.model.outputs},
        known_answers=len(written.known.inputs),
        candidates=judged,
        sensitivity=sensitivity,
        warnings=_warnings(written.manifest, data, split, chosen),
    )
