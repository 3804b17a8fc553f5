"""A bundle against labelled data, three ways: the original, the converted model, the gateway's path."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from converter import dataset, folds, gateway, job, metrics, pages, process
from converter.card import load as load_card
from converter.card import of_bundle
from converter.dataset import Dataset, Floats32
from converter.errors import ConverterError
from converter.loading import AS_IT_IS, Loading
from converter.process import TensorFlow
from converter.report import Evaluation, Metrics
from converter.table import Floats
from edge_agent import bundle
from edge_agent.core.manifest import Manifest
from edge_agent.inference.process import InferenceFailed


def evaluate(
    path: Path,
    data: Path,
    *,
    card: Path | None = None,
    model: Path | None = None,
    loading: Loading = AS_IT_IS,
    kfold: int = 0,
    time_folds: int = 0,
    train: str = "",
    drop_nan: bool = False,
    html: Path | None = None,
    deadline: float = process.DEADLINE,
    verbose: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Evaluate the bundle at `path`. `card` tells which columns hold what, if not those of the same names.

    `kfold` or `time_folds` cross-validate, see `converter.folds`; `train` is ``script.py:function``, see
    `converter.job.Folds`. `html` is where to write the report. Raises `ConverterError`, also if the gateway's
    path does not agree bit for bit with the converted model; `edge_agent.bundle.BundleError`; OSError.
    """
    if html is not None:
        pages.check(html)
    judged = bundle.read(path)
    rows, target = _labelled(judged.manifest, data, card, drop_nan)
    plan = _plan(judged.manifest, rows, kfold, time_folds, train)
    asked = gateway.all_windows(judged, rows)
    scores: dict[str, Floats] = {}
    if model is not None:
        progress("asking the original model")
        answers = _original(model, loading, asked, deadline, verbose)
        scores["keras"] = gateway.scores(judged, asked, answers)
    progress("asking the bundle, in a batch and tick by tick")
    scores["quantised"], scores["gateway"] = _both_ways(judged, rows, asked)
    by_fold: list[Metrics] = []
    if plan is not None:
        progress(f"training {len(plan.test)} times")
        answers = folds.answers(plan, asked, _unscaled(judged.manifest, target), deadline, verbose)
        left_out = gateway.scores(judged, asked, answers)
        by_fold = [judge(judged.manifest, target[test], left_out[test]) for test in plan.test]
    found = Evaluation(
        bundle=str(path),
        kind=judged.manifest.output.kind,
        windows=len(asked),
        threshold=threshold(judged.manifest),
        paths={name: judge(judged.manifest, target, given) for name, given in scores.items()},
        folds=by_fold,
    )
    if html is not None:
        progress("drawing the report")
        pages.of_evaluation(html, judged, rows, scores, found)
    return found


def _plan(manifest: Manifest, rows: Dataset, kfold: int, time_folds: int, train: str) -> job.Folds | None:
    if not kfold and not time_folds:
        return None
    if kfold and time_folds:
        raise ConverterError("folds are either shuffled or in time: give kfold or time_folds, not both")
    ends = rows.ends(manifest.window)
    return folds.plan(ends, manifest, kfold or time_folds, train, forward=bool(time_folds))


def _labelled(manifest: Manifest, data: Path, card: Path | None, drop_nan: bool) -> tuple[Dataset, Floats]:
    """Return the data, and the target of every window: the one of its last row."""
    said = load_card(card) if card else of_bundle(manifest)
    names = [i.name for i in said.inputs]
    if names != [i.name for i in manifest.inputs]:
        raise ConverterError(f"{card}: its inputs {', '.join(names)} are not the bundle's, in the same order")
    rows = dataset.load(data, said, drop_nan, with_target=True)
    ends = rows.ends(manifest.window)
    if rows.target is None or not len(ends):
        raise ConverterError(f"{data}: no {manifest.window} rows follow each other, which one window needs")
    return rows, rows.target[ends]


def threshold(manifest: Manifest) -> float | None:
    """Return the score from which on a window counts as positive. Raises `ConverterError`."""
    if manifest.output.kind == "value":
        return None
    if manifest.limits:
        return manifest.limits.on
    if manifest.output.kind == "probability":
        return 0.5
    raise ConverterError("a reconstruction error needs the card's [limits] to tell good from bad")


def judge(manifest: Manifest, target: Floats, scores: Floats) -> Metrics:
    """Return the metrics that fit the bundle's output."""
    limit = threshold(manifest)
    if limit is None:
        return metrics.regression(target, scores)
    return metrics.classification(target, scores, limit)


def require_agreement(batched: Floats, ticked: Floats) -> None:
    """Raise `ConverterError` unless both paths gave the same scores, bit for bit."""
    if not np.array_equal(batched, ticked):
        differ = int(np.sum(batched != ticked)) if batched.shape == ticked.shape else len(batched)
        raise ConverterError(
            f"the gateway's path and the converted model differ in {differ} of {len(batched)} scores; "
            "this bundle must not be used"
        )


def _both_ways(judged: bundle.Bundle, rows: Dataset, asked: Floats32) -> tuple[Floats, Floats]:
    try:
        answers = gateway.wait_for(gateway.answer(judged, asked))
        ticked = gateway.wait_for(gateway.tick_by_tick(judged, rows))
    except InferenceFailed as error:
        raise ConverterError(f"the gateway cannot run this bundle: {error}") from None
    batched = gateway.scores(judged, asked, answers)
    require_agreement(batched, ticked)
    return batched, ticked


def _original(model: Path, loading: Loading, asked: Floats32, deadline: float, verbose: bool) -> Floats32:
    with tempfile.TemporaryDirectory(prefix="edge-converter-") as name, TensorFlow(verbose) as tensorflow:
        folder = Path(name)
        np.save(folder / job.WINDOWS, asked)
        task = job.Predict(model=str(model.absolute()), size=asked.shape[1], loading=loading)
        tensorflow.do(task, folder, deadline)
        return process.answers(folder)


def _unscaled(manifest: Manifest, target: Floats) -> Floats:
    """Return targets as the model was trained on them."""
    return (target - manifest.output.offset) / manifest.output.scale
