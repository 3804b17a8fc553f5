"""The reports: which sections in which order. What draws is imported only when a report is asked for."""

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from converter import bundle_sections, choice, decisions, gateway, html, measure
from converter.dataset import Floats32, Windows
from converter.decisions import Course
from converter.errors import ConverterError
from converter.report import Evaluation, Report
from converter.table import Floats
from edge_agent import bundle
from edge_agent.bundle import Bundle

_TIMED = 32
"""Windows: enough to see what a call takes."""


def check(path: Path) -> None:
    """Raise `ConverterError` if there cannot be a report at `path`, before the work is done."""
    if not path.absolute().parent.is_dir():
        raise ConverterError(f"{path}: the directory {path.absolute().parent} does not exist")
    _drawing()


def of_evaluation(
    path: Path,
    judged: Bundle,
    asked: Windows,
    paths: dict[str, dict[str, Course]],
    targets: dict[str, Floats],
    *,
    found: Evaluation,
) -> None:
    """Write the report of an evaluation.

    `paths` say what each output said in each window, by path; `targets` what it should have said.
    """
    layers, of_output, sections = _drawing()
    outputs = judged.manifest.outputs
    said = [
        of_output.Said(
            output,
            asked.ends,
            {
                path: given[output.name] for path, given in paths.items() if path != "quantised"
            },  # the gateway's
            targets.get(output.name),
        )
        for output in outputs
    ]
    [ran] = gateway.wait_for(measure.run([judged], asked.packed[:_TIMED]))
    if isinstance(ran, str):
        raise ConverterError(ran)
    html.write(
        path,
        f"{judged.manifest.name} {judged.manifest.version}: evaluation",
        [
            sections.header(judged, said, choice.costs(ran.latency, ran.rss)),
            sections.outputs(said),
            *_each(of_output.metric_table(of) for of in found.outputs),
            *_each(of_output.judged_figures(of) for of in said),
            *_each(of_output.score_figures(of) for of in said),
            sections.inputs(judged, asked),
            layers.architecture_of(judged),
            sections.origin(judged),
        ],
    )


def of_conversion(path: Path, found: Report, asked: Windows, original: Floats32) -> None:
    """Write the report of a conversion. `original` is what it answered to the windows, packed."""
    layers, of_output, sections = _drawing()
    judged = bundle.read(Path(found.bundle))
    answers = {"keras": original, "gateway": gateway.wait_for(gateway.answer(judged, asked.packed))}
    courses = {path: decisions.courses(judged.manifest, asked, given) for path, given in answers.items()}
    said = [
        of_output.Said(o, asked.ends, {path: given[o.name] for path, given in courses.items()})
        for o in judged.manifest.outputs
    ]
    measured = next((c.measured for c in found.candidates if c.chosen), None)
    costs = choice.costs(measured.latency, measured.rss) if measured else {}
    if found.target:
        costs["times on the target"] = found.target
    html.write(
        path,
        f"{found.name} {found.version}: conversion",
        [
            sections.header(judged, said, costs),
            html.warnings(found.warnings),
            choice.candidates(found.candidates),
            sections.outputs(said),
            *_each(of_output.score_figures(of) for of in said),
            sections.flip_figure(choice.flipped(found.candidates), asked),
            sections.inputs(judged, asked),
            choice.saturation(found.candidates),
            layers.sensitivity(found.sensitivity, choice.kept_float(found.candidates)),
            layers.architecture_of(judged),
            sections.origin(judged),
        ],
    )


def of_bundle(path: Path, judged: Bundle) -> None:
    """Write what a bundle says of itself. Raises `ConverterError`, and OSError for what cannot be written."""
    check(path)
    layers, _, sections = _drawing()
    html.write(
        path,
        f"{judged.manifest.name} {judged.manifest.version}",
        [
            bundle_sections.header(judged),
            bundle_sections.outputs(judged),
            bundle_sections.inputs(judged),
            bundle_sections.known_answers(judged),
            layers.architecture_of(judged),
            sections.origin(judged),
        ],
    )


def _each(parts: Iterable[str]) -> list[str]:
    """Return the same part for each output; ids of the first stay as they are."""
    return [html.with_own_ids(part, f"output{n}") if n else part for n, part in enumerate(parts)]


def _drawing() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        # They import matplotlib, which takes a second.
        from converter import layers, output_sections, sections  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        raise ConverterError(
            "matplotlib is not installed here: pip install 'edge-agent[converter]'"
        ) from None
    return layers, output_sections, sections
