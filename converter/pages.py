"""The reports: which sections in which order. What draws is imported only when a report is asked for."""

from pathlib import Path
from types import ModuleType

from converter import choice, decisions, gateway, html, measure
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
    s, layers = _drawing()
    name = judged.manifest.outputs[0].name
    target = targets.get(name)
    told = {path: given[name].scores for path, given in paths.items() if path != "quantised"}  # the gateway's
    seen = s.Seen(asked.latest, asked.ends, told, target)
    [ran] = gateway.wait_for(measure.run([judged], asked.packed[:_TIMED]))
    if isinstance(ran, str):
        raise ConverterError(ran)
    html.write(
        path,
        f"{judged.manifest.name} {judged.manifest.version}: evaluation",
        [
            s.header(judged, seen, choice.costs(ran.latency, ran.rss)),
            s.metric_tables(found),
            s.judged_figures(judged, seen),
            s.score_figures(judged, seen),
            s.inputs(judged, seen),
            layers.architecture_of(judged),
            s.origin(judged),
        ],
    )


def of_conversion(path: Path, found: Report, asked: Windows, original: Floats32) -> None:
    """Write the report of a conversion. `original` is what it answered to the windows, packed."""
    s, layers = _drawing()
    judged = bundle.read(Path(found.bundle))
    manifest, name = judged.manifest, judged.manifest.outputs[0].name
    answers = {"keras": original, "gateway": gateway.wait_for(gateway.answer(judged, asked.packed))}
    told = {path: decisions.courses(manifest, asked, given)[name].scores for path, given in answers.items()}
    seen = s.Seen(asked.latest, asked.ends, told)
    measured = next((c.measured for c in found.candidates if c.chosen), None)
    costs = choice.costs(measured.latency, measured.rss) if measured else {}
    html.write(
        path,
        f"{found.name} {found.version}: conversion",
        [
            s.header(judged, seen, costs),
            html.warnings(found.warnings),
            choice.candidates(found.candidates),
            s.score_figures(judged, seen),
            s.flip_figure(choice.flipped(found.candidates), seen),
            s.inputs(judged, seen),
            choice.saturation(found.candidates),
            layers.sensitivity(found.sensitivity, choice.kept_float(found.candidates)),
            layers.architecture_of(judged),
            s.origin(judged),
        ],
    )


def _drawing() -> tuple[ModuleType, ModuleType]:
    try:
        from converter import layers, sections  # noqa: PLC0415 - imports matplotlib, which takes a second
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        raise ConverterError(
            "matplotlib is not installed here: pip install 'edge-agent[converter]'"
        ) from None
    return sections, layers
