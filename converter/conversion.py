"""From a trained model, its data and its card to a bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from converter import (
    alarm_budget,
    auto,
    budgeting,
    card_file,
    dataset,
    decisions,
    envelope,
    facts,
    finishing,
    guessing,
    holdout,
    job,
    known,
    pages,
    process,
    signing,
    target,
    trying,
)
from converter.auto import Budget, Candidate
from converter.card import Card
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.holdout import Split
from converter.loading import AS_IT_IS, Loading, require
from converter.process import TensorFlow, borrowed
from converter.recipes import RECIPES, Name
from converter.report import Report
from converter.trying import Outcome, Wanted
from edge_agent import __version__, bundle
from edge_agent.core.manifest import Manifest, Origin
from edge_agent.core.preparation import Preparation

FEW = 100
"""Windows to calibrate with: fewer are worth a warning."""


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
    false_alarms: float = 0.0,
    target_profile: str = "",
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
    `max_flips` is a fraction of the windows held back and counts for "auto" only. `false_alarms` is a
    rate, in alarms a second, that limits are chosen for, see `converter.alarm_budget`; 0 leaves the card's.
    `target_profile` is a line of ``edge-agent doctor --bench``: times are then those of that box. `loading`
    names weights apart from an architecture, and code to trust. `html` is where to write the report, `sign`
    the private key to sign with, `deadline` is for each job of TensorFlow, in seconds, `tensorflow` is one
    that is kept for the next conversion. Raises `ConverterError` (`CardError` for the card) and OSError.
    """
    _require(model, loading, out, html)
    key = signing.load(sign) if sign else None
    there = target.load(target_profile) if target_profile else None
    with borrowed(tensorflow, verbose) as loaded:
        said, text = card_file.load(card) if isinstance(card, Path) else card, ""
        if said is None:
            progress("inferring a card")
            said, text = guessing.guess(model, data, loading, loaded, deadline)
            inferred(text)
        progress("reading the data")
        loading = msgspec.structs.replace(loading, streamed=said.window if said.streaming else 0)
        rows = dataset.load(data, said, drop_nan, [o for o in said.outputs if o.divide_by_max])
        draft = facts.draft(said, rows, _origin(model, data, loading))
        prepare = Preparation(draft)
        if not len(rows.ends(prepare.span)):
            raise ConverterError(
                f"{data}: no {prepare.span} rows follow each other, which one window and its steps need"
            )
        split = holdout.split(said, rows, prepare.span)
        asked = known.Asked.of(draft, rows, split.held)
        done = trying.choose(
            Wanted(recipe, Budget(max_error, max_flips), html is not None, there),
            _task(model, said, loading, prepare),
            draft,
            facts.in_engineering_units(said, rows, draft),
            asked=asked,
            split=split,
            tensorflow=loaded,
            deadline=deadline,
            progress=progress,
        )
    progress("writing the bundle")
    manifest = finishing.finished(done.draft, done.chosen, done.tflite, done.original)
    kept: alarm_budget.Budget | None = None
    if false_alarms:
        progress("choosing the alarm's limit")
        manifest, kept = budgeting.keep_to(manifest, done.tflite, said, rows, false_alarms)
    courses = decisions.courses(done.draft, done.seen, done.original)
    manifest = msgspec.structs.replace(manifest, envelope=envelope.of(manifest, said, rows, courses))
    windows, originals = asked.known(manifest, done.answers, courses)
    finishing.write(out, manifest, done.tflite, windows, originals)
    if key is not None:
        signing.sign(out, key)
    found = _report(out, rows, split, done, text)
    if kept:
        told = [*found.warnings, *budgeting.warnings(kept)]
        found = msgspec.structs.replace(found, alarm=kept, warnings=told)
    if there:
        found = msgspec.structs.replace(found, target=there.text())
    if html is not None:
        progress("drawing the report")
        pages.of_conversion(html, found, done.seen, done.original)
    return found


def _require(model: Path, loading: Loading, out: Path, html: Path | None) -> None:
    if not out.absolute().parent.is_dir():
        raise ConverterError(f"{out}: the directory {out.absolute().parent} does not exist")
    require(model, loading)
    if html is not None:
        pages.check(html)


def _task(model: Path, said: Card, loading: Loading, prepare: Preparation) -> job.Convert:
    goes = {i.name: i.tensor for i in said.inputs}
    columns = [
        job.Column(name=feature, tensor=said.tensors.get(feature, goes.get(prepare.origin(feature), "")))
        for feature in prepare.features
    ]
    return job.Convert(
        model=str(model.absolute()), recipes=[], window=said.window, columns=columns, loading=loading
    )


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


def _report(out: Path, data: Dataset, split: Split, done: Outcome, card: str) -> Report:
    written, chosen = bundle.read(out), done.chosen
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
        loaded_with=done.facts.loaded_with,
        card=card,
        weights=chosen.measured.weights,
        rows=len(data.rows),
        rows_dropped=data.dropped,
        rows_held_back=split.clean,
        comparison=chosen.measured.comparison,
        tolerances={t.name: t.tolerance for t in written.manifest.model.outputs},
        known_answers=len(written.known.inputs),
        candidates=done.judged,
        sensitivity=done.sensitivity,
        warnings=_warnings(written.manifest, data, split, chosen),
    )
