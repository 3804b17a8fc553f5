"""A bundle against labelled data, three ways: the original, the converted model, the gateway's path."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from converter import dataset, decisions, folds, gateway, job, metrics, pages, process
from converter.card import of_bundle
from converter.card_file import load as load_card
from converter.dataset import Dataset, Floats32, Windows
from converter.decisions import Course
from converter.errors import ConverterError
from converter.loading import AS_IT_IS, Loading
from converter.process import TensorFlow, workspace
from converter.report import Evaluation, Judged, Metrics
from converter.table import Floats, Integers
from edge_agent import bundle
from edge_agent.config.fields import nearest
from edge_agent.core.manifest import Manifest, Output, Tensor
from edge_agent.core.preparation import Preparation
from edge_agent.inference.process import InferenceFailed

Targets = dict[str, Floats]


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

    Only the outputs that the card names are judged; a forecast is judged by what came. `kfold` or
    `time_folds` cross-validate, see `converter.folds`; `train` is ``script.py:function``, see
    `converter.job.Folds`. `html` is where to write the report. Raises `ConverterError`, also if the gateway's
    path does not agree bit for bit with the converted model; `edge_agent.bundle.BundleError`; OSError.
    """
    if html is not None:
        pages.check(html)
    judged = bundle.read(path)
    manifest = judged.manifest
    outputs, rows = _labelled(manifest, data, card, drop_nan)
    asked = gateway.all_windows(judged, rows)
    wanted = targets(manifest, outputs, rows, asked)
    plan = _plan(manifest, asked.ends, kfold, time_folds, train)
    paths: dict[str, dict[str, Course]] = {}
    if model is not None:
        progress("asking the original model")
        answers = _original(_prediction(manifest, model, loading), asked, deadline, verbose)
        paths["keras"] = decisions.courses(manifest, asked, answers)
    progress("asking the bundle, in a batch and tick by tick")
    paths["quantised"], paths["gateway"] = _both_ways(judged, rows, asked)
    left_out: dict[str, Course] = {}
    if plan is not None:
        progress(f"training {len(plan.test)} times")
        answers = folds.answers(plan, asked.packed, _unscaled(outputs, wanted), deadline, verbose)
        left_out = decisions.courses(manifest, asked, answers)
    tests = [np.array(test) for test in plan.test] if plan else []

    def judged_of(output: Output) -> Judged:
        target = wanted[output.name]
        return Judged(
            output=output.name,
            kind=output.kind,
            threshold=threshold(output),
            paths={path: judge(output, target, told[output.name]) for path, told in paths.items()},
            folds=[judge(output, target[test], left_out[output.name].of(test)) for test in tests],
        )

    found = Evaluation(
        bundle=str(path),
        windows=len(asked.ends),
        outputs=[judged_of(output) for output in outputs],
    )
    if html is not None:
        progress("drawing the report")
        pages.of_evaluation(html, judged, asked, paths, wanted, found=found)
    return found


def _plan(manifest: Manifest, ends: Integers, kfold: int, time_folds: int, train: str) -> job.Folds | None:
    if not kfold and not time_folds:
        return None
    if kfold and time_folds:
        raise ConverterError("folds are either shuffled or in time: give kfold or time_folds, not both")
    return folds.plan(ends, manifest, kfold or time_folds, train, forward=bool(time_folds))


def _labelled(
    manifest: Manifest, data: Path, card: Path | None, drop_nan: bool
) -> tuple[list[Output], Dataset]:
    """Return the outputs to judge, and the data with the targets of those that are not forecasts."""
    said = load_card(card) if card else of_bundle(manifest)
    names = [i.name for i in said.inputs]
    if names != [i.name for i in manifest.inputs]:
        raise ConverterError(f"{card}: its inputs {', '.join(names)} are not the bundle's, in the same order")
    if [c.name for c in said.constants] != [c.name for c in manifest.constants]:
        raise ConverterError(f"{card}: its constants are not the bundle's, in the same order")
    said = replace(said, steps=manifest.steps)
    if said.clock and not said.time:
        raise ConverterError(f"{card}: the bundle asks for the wall time; name its column as `time`")
    known = {o.name: o for o in manifest.outputs}
    for output in said.outputs:
        if output.name not in known:
            raise ConverterError(
                f"{card}: the bundle has no output {output.name!r}; {nearest(output.name, known)}"
            )
    rows = dataset.load(data, said, drop_nan, [o for o in said.outputs if known[o.name].kind != "forecast"])
    span = Preparation(manifest).span
    if not len(rows.ends(span)):
        raise ConverterError(f"{data}: no {span} rows follow each other, which one window needs")
    return [known[o.name] for o in said.outputs], rows


def threshold(output: Output) -> float | None:
    """Return the score from which on a window counts as positive. Raises `ConverterError`."""
    if output.kind == "reconstruction_error" and output.limits is None:
        raise ConverterError(
            f"output {output.name!r}: a reconstruction error needs limits in the card to tell good from bad"
        )
    return decisions.limit(output) if output.kind in ("probability", "reconstruction_error") else None


def targets(manifest: Manifest, outputs: Sequence[Output], rows: Dataset, asked: Windows) -> Targets:
    """Return what each output should have said in each window, float64[k]: what stands in its last row.

    For a forecast that is what came `horizon` rows later, NaN where the data does not go on for so long.
    """
    columns = [i.name for i in manifest.inputs]
    found = {}
    for output in outputs:
        if output.kind != "forecast":
            found[output.name] = rows.targets[output.name][asked.ends]
            continue
        came = np.full(len(asked.ends), np.nan)
        for part in asked.stretches():
            ahead = asked.latest[part][output.horizon :, columns.index(output.of)]
            came[part.start : part.start + len(ahead)] = ahead
        found[output.name] = came
    return found


def judge(output: Output, target: Floats, said: Course) -> Metrics:
    """Return the metrics that fit the output. Raises `ConverterError`."""
    limit = threshold(output)
    if limit is not None:
        return metrics.classification(target, said.scores, limit)
    match output.kind:
        case "class":
            return metrics.classes(target, said.values, len(output.classes))
        case "forecast":
            came = ~np.isnan(target)
            if not came.any():
                raise ConverterError(
                    f"output {output.name!r}: no window has {output.horizon} rows after it; give longer data"
                )
            return metrics.regression(target[came], said.values[came])
    return metrics.regression(target, said.scores)


def require_agreement(batched: Mapping[str, Course], ticked: Mapping[str, Course]) -> None:
    """Raise `ConverterError` unless both paths gave the same scores and values, bit for bit."""
    for name, before in batched.items():
        for a, b in ((before.scores, ticked[name].scores), (before.values, ticked[name].values)):
            if not np.array_equal(a, b, equal_nan=True):
                differ = int(np.sum(a != b)) if a.shape == b.shape else len(a)
                raise ConverterError(
                    f"the gateway's path and the converted model differ in {differ} of {len(a)} scores of "
                    f"{name!r}; this bundle must not be used"
                )


def _both_ways(
    judged: bundle.Bundle, rows: Dataset, asked: Windows
) -> tuple[dict[str, Course], dict[str, Course]]:
    try:
        answers = gateway.wait_for(gateway.answer_all(judged, rows, asked.packed))
        ticked = gateway.wait_for(gateway.tick_by_tick(judged, rows))
    except InferenceFailed as error:
        raise ConverterError(f"the gateway cannot run this bundle: {error}") from None
    batched = decisions.courses(judged.manifest, asked, answers)
    require_agreement(batched, ticked)
    return batched, ticked


def _prediction(manifest: Manifest, model: Path, loading: Loading) -> job.Predict:
    ends = manifest.model
    outputs = [Tensor(name=t.name, shape=t.shape) for t in ends.outputs]
    loading = replace(loading, streamed=manifest.window if ends.state else 0)
    return job.Predict(model=str(model.absolute()), inputs=ends.inputs, outputs=outputs, loading=loading)


def _original(task: job.Predict, asked: Windows, deadline: float, verbose: bool) -> Floats32:
    with workspace() as folder, TensorFlow(verbose) as tensorflow:
        np.save(folder / job.WINDOWS, asked.packed)
        tensorflow.do(task, folder, deadline)
        return process.answers(folder)


def _unscaled(outputs: Sequence[Output], wanted: Targets) -> Floats:
    """Return targets as the model was trained on them: float64[k, outputs]."""
    return np.column_stack([(wanted[o.name] - o.offset) / o.scale for o in outputs])
