"""The reports: which sections in which order. What draws is imported only when a report is asked for."""

from pathlib import Path
from types import ModuleType

from converter import html
from converter.dataset import Dataset
from converter.errors import ConverterError
from converter.report import Evaluation
from converter.table import Floats
from edge_agent.bundle import Bundle


def check(path: Path) -> None:
    """Raise `ConverterError` if there cannot be a report at `path`, before the work is done."""
    if not path.absolute().parent.is_dir():
        raise ConverterError(f"{path}: the directory {path.absolute().parent} does not exist")
    _sections()


def of_evaluation(
    path: Path, judged: Bundle, data: Dataset, scores: dict[str, Floats], found: Evaluation
) -> None:
    """Write the report of an evaluation; `scores` are float64[k] for each window of `data`, by path."""
    s = _sections()
    ends = data.ends(judged.manifest.window)
    target = None if data.target is None else data.target[ends]
    told = {name: given for name, given in scores.items() if name != "quantised"}  # it equals the gateway's
    seen = s.Seen(data.rows[ends], ends, told, target)
    html.write(
        path,
        f"{judged.manifest.name} {judged.manifest.version}: evaluation",
        [
            s.header(judged, seen, {}),
            s.metric_tables(found),
            s.judged_figures(judged, seen),
            s.score_figures(judged, seen),
            s.inputs(judged, seen),
            s.layers(judged),
            s.origin(judged),
        ],
    )


def _sections() -> ModuleType:
    try:
        from converter import sections  # noqa: PLC0415 - imports matplotlib, which takes a second
    except ModuleNotFoundError as missing:
        if missing.name != "matplotlib":
            raise
        raise ConverterError(
            "matplotlib is not installed here: pip install 'edge-agent[converter]'"
        ) from None
    return sections
