"""The report: a page of its own, whose figures are those of the JSON."""

import re
from html.parser import HTMLParser
from pathlib import Path

import dense_model
import msgspec
import numpy as np
import pytest
from sources import EXAMPLES, python

from converter import ConverterError, architecture, choice, evaluate, html, output_sections, plots, sections
from converter.auto import Candidate, Measured
from converter.compare import Comparison
from converter.dataset import Windows
from converter.decisions import Course, Decisions
from converter.metrics import Curves, curves
from edge_agent import bundle
from edge_agent.core.manifest import Output
from edge_agent.inference.timing import Latency

MEASURED = r"<span>(call p50|call p99|memory)</span><b>[0-9.]+ (µs|MB)</b>"


class Page(HTMLParser):
    """Tables by id, as lists of rows of texts; every id; every tag that is not closed in turn."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text()
        self.tables: dict[str, list[list[str]]] = {}
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self._open: list[str] = []
        self._table: list[list[str]] = []
        self.feed(self.text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in {"meta", "br"}:
            self._open.append(tag)
        if tag == "table":
            self._table = self.tables.setdefault(dict(attrs)["id"] or "", [])
        if tag == "tr":
            self._table.append([])
        if tag in {"td", "th"}:
            self._table[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"{tag} closes another"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"td", "th"}:
            self._table[-1][-1] += data


@pytest.fixture(scope="session")
def labelled_walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows for the dense bundle, labelled by whether its first window's score is high, with errors."""
    manifest = dense_model.MANIFEST
    rng = np.random.default_rng(4)
    rows = rng.normal(dense_model.OFFSET, dense_model.SCALE, size=(2000, 4))
    windows = np.lib.stride_tricks.sliding_window_view(rows, 4, axis=0).transpose(0, 2, 1)
    scores = dense_model.expected(dense_model.standardised(windows.astype(np.float32)))[:, 0]
    label = np.concatenate([np.zeros(3), scores + 0.2 * rng.normal(size=len(scores)) > 0.7])
    path = tmp_path_factory.mktemp("walk") / "walk.csv"
    header = ",".join([*(i.name for i in manifest.inputs), manifest.outputs[0].name])
    np.savetxt(path, np.column_stack([rows, label]), "%.9g", delimiter=",", header=header, comments="")
    return path


def candidate(recipe: str, flipped: list[int]) -> Candidate:
    decided = Decisions(
        output="y", limit=0.5, flips=len(flipped) / 50, flipped=flipped, alarms=1, missed=0, false=0
    )
    compared = Comparison(windows=50, range=1.0, max_error=0.1, mean_error=0.01, fraction=0.1, outputs=[])
    measured = Measured(
        size=9,
        weights={},
        comparison=compared,
        decisions=[decided],
        scores=[],
        saturation=[],
        latency=Latency(p50=30.0, p99=90.0, model=5.0),
        rss=1_000_000,
    )
    return Candidate(recipe=recipe, reason="", measured=measured)


def require_self_contained(page: Page) -> None:
    assert not re.findall(r"https?:|//[a-z]|@import|<script|<link", page.text)
    for _, name, value in page.attributes:
        if name in {"href", "src"}:
            assert value
            assert value.startswith("#")
            assert value[1:] in page.ids
    assert set(re.findall(r"url\(#([^)]*)\)", page.text)) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_of_an_evaluation_stands_alone_and_says_what_the_json_says(
    dense_bundle: Path, labelled_walk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    asked = ["evaluate", dense_bundle, "--data", labelled_walk, "--html", out, "--json"]
    [told] = msgspec.json.decode(python("-m", "converter.cli", *asked))["outputs"]
    page = Page(out)
    require_self_contained(page)
    head, *rows = page.tables["metrics"]
    assert head == ["metric", *told["paths"]]
    assert {row[0] for row in rows} == set(told["paths"]["gateway"])
    for metric, *cells in rows:
        assert [float(c) for c in cells] == pytest.approx(
            [p[metric] for p in told["paths"].values()], rel=1e-5
        )
    gateway = told["paths"]["gateway"]
    matrix = [[int(cell) for cell in row[1:]] for row in page.tables["confusion"][1:]]
    assert matrix == [[gateway["tn"], gateway["fp"]], [gateway["fn"], gateway["tp"]]]
    assert 0 < gateway["fp"] < gateway["tn"]
    assert page.text.count("<svg") == 4


def test_the_page_lists_inputs_with_units_and_how_much_of_the_data_is_beyond_them(
    dense: bundle.Bundle, labelled_walk: Path, tmp_path: Path
) -> None:
    described = [*dense.manifest.inputs]
    described[1] = msgspec.structs.replace(described[1], unit="<m>", max=20.0)
    manifest = msgspec.structs.replace(dense.manifest, inputs=described)
    bundle.write(tmp_path / "a.bundle", manifest, dense.model, dense.known)
    evaluate(tmp_path / "a.bundle", labelled_walk, html=tmp_path / "a.html")
    rows = {row[0]: row[1:] for row in Page(tmp_path / "a.html").tables["inputs"][1:]}
    assert rows["head"][:3] == ["<m>", "-100", "20"]
    data = np.loadtxt(labelled_walk, delimiter=",", skiprows=1)
    assert float(rows["head"][5]) == pytest.approx(100 * np.mean(data[3:, 1] > 20), rel=1e-5)
    assert rows["flow"][5] == "0"


def test_every_output_has_its_figures_and_a_row_in_the_table_of_outputs(
    dense: bundle.Bundle, labelled_walk: Path, tmp_path: Path
) -> None:
    wear = dense.manifest.outputs[0]
    outputs = [wear, msgspec.structs.replace(wear, name="depth", kind="value", unit="mm", limits=None)]
    manifest = msgspec.structs.replace(dense.manifest, outputs=outputs)
    bundle.write(tmp_path / "two.bundle", manifest, dense.model, dense.known)
    table = labelled_walk.read_text().splitlines()
    rows = [table[0] + ",depth", *(line + ",0" for line in table[1:])]
    (tmp_path / "two.csv").write_text("\n".join(rows))
    evaluate(tmp_path / "two.bundle", tmp_path / "two.csv", html=tmp_path / "two.html")
    page = Page(tmp_path / "two.html")
    require_self_contained(page)
    assert [row[:4] for row in page.tables["outputs"][1:]] == [
        ["wear", "probability", "", "0.8"],
        ["depth", "value", "mm", "-"],
    ]
    assert {"metrics", "confusion", "output1-metrics"} <= set(page.tables)
    assert page.text.count("<h2>Scores of ") == 2
    assert "<h2>Every other limit of wear" in page.text
    assert "<h2>Residuals of depth" in page.text


def test_classes_stand_against_each_other(tmp_path: Path) -> None:
    output = Output(name="state", kind="class", tensor="answer", classes=["ok", "worn"])
    given = np.array([0.0, 1, 1, 0])
    course = Course(given, given, np.zeros(4, np.bool_))
    target = np.array([0.0, 1, 0, 0])
    said = output_sections.Said(output, np.arange(4), {"gateway": course}, target)
    html.write(tmp_path / "a.html", "a", [output_sections.judged_figures(said)])
    rows = Page(tmp_path / "a.html").tables["classes"]
    assert rows == [["gateway", "ok", "worn"], ["labelled ok", "2", "1"], ["labelled worn", "0", "1"]]


def test_the_same_evaluation_draws_the_same_but_for_what_a_call_took(
    dense_bundle: Path, labelled_walk: Path, tmp_path: Path
) -> None:
    asked = ["evaluate", dense_bundle, "--data", labelled_walk, "--html"]
    python("-m", "converter.cli", *asked, tmp_path / "a.html")
    evaluate(dense_bundle, labelled_walk, html=tmp_path / "b.html")
    one, other = (re.sub(MEASURED, "", (tmp_path / name).read_text()) for name in ("a.html", "b.html"))
    assert one == other
    assert len(one) > 50_000


def test_a_single_window_of_one_label_is_enough_for_a_page(
    dense_bundle: Path, labelled_walk: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one.csv"
    one.write_text("".join(labelled_walk.read_text().splitlines(keepends=True)[:5]))
    found = evaluate(dense_bundle, one, html=tmp_path / "one.html")
    page = Page(tmp_path / "one.html")
    assert found.windows == 1
    assert {row[0]: row[1] for row in page.tables["metrics"]}["roc_auc"] == "-"
    assert page.text.count("<svg") == 2


def test_a_report_that_cannot_be_written_is_told_before_the_work(
    dense_bundle: Path, labelled_walk: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConverterError, match="does not exist"):
        evaluate(dense_bundle, labelled_walk, html=tmp_path / "nowhere/report.html")


def test_a_value_is_shown_with_its_folds_in_time_and_its_residuals(
    line: Path, line_bundles: dict, tmp_path: Path
) -> None:
    path, train = line_bundles["int8"][0], Path(__file__).with_name("train_quickly.py").as_posix() + ":build"
    found = evaluate(
        path,
        line / "line.csv",
        time_folds=2,
        train=train,
        html=tmp_path / "line.html",
    )
    page = Page(tmp_path / "line.html")
    require_self_contained(page)
    assert page.tables["metrics"][0][-4:] == ["fold 1", "fold 2", "mean", "std"]
    r2 = next(row for row in page.tables["metrics"] if row[0] == "r2")
    assert [float(cell) for cell in r2[3:5]] == pytest.approx(
        [fold["r2"] for fold in found.outputs[0].folds], rel=1e-5
    )
    assert all(0.5 < fold["r2"] < 1 for fold in found.outputs[0].folds)
    assert "residuals-" in page.text
    assert "confusion" not in page.tables


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explored")
    told = python(EXAMPLES / "bearing/explore.py", "--out", folder)
    assert re.search(r"^\* \w+: of the \d within the budget", told, re.MULTILINE)
    assert "roc_auc" in told
    return folder


def test_the_page_of_a_conversion_shows_every_candidate_as_the_json_does(explored: Path) -> None:
    told = msgspec.json.decode((explored / "conversion.json").read_bytes())
    page = Page(explored / "conversion.html")
    require_self_contained(page)
    rows = {row[0]: row[1:] for row in page.tables["candidates"][1:]}
    assert list(rows) == [c["recipe"] for c in told["candidates"]]
    assert {"float32", "dynamic_int8", "int8"} <= set(rows)
    assert rows["mixed"][-1] == "int8 is within the budget without a layer in float"
    for c in told["candidates"]:
        *cells, why = rows[c["recipe"]]
        found = c["measured"]
        assert why == c["reason"]
        if found is None:
            assert cells == ["-"] * 9
            continue
        [decided], time = found["decisions"], found["latency"]
        expected = [100 * found["comparison"]["fraction"], 100 * decided["flips"], decided["missed"]]
        expected += [decided["false"], time["model"], time["p50"], time["p99"], found["size"]]
        assert [float(cell) for cell in cells[:-1]] == pytest.approx(expected, rel=5e-3)
        assert int(cells[-1]) == round(found["rss"] / 1e6)


def test_the_page_of_a_conversion_shows_how_each_input_fits_a_quantised_scale(explored: Path) -> None:
    told = msgspec.json.decode((explored / "conversion.json").read_bytes())
    fits = {c["recipe"]: c["measured"]["saturation"] for c in told["candidates"] if c["measured"]}
    head, *rows = Page(explored / "conversion.html").tables["saturation"]
    at = head.index("int8 steps")
    assert [row[0] for row in rows] == [fit["input"] for fit in fits["int8"]]
    assert [int(row[at]) for row in rows] == [fit["steps"] for fit in fits["int8"]]
    assert [float(row[at - 1]) for row in rows] == pytest.approx([100 * f["clipped"] for f in fits["int8"]])
    assert not any(column.startswith("float32") for column in head)


def test_the_page_of_a_conversion_shows_what_int8_costs_layer_by_layer(explored: Path) -> None:
    told = msgspec.json.decode((explored / "conversion.json").read_bytes())["sensitivity"]
    head, *rows = Page(explored / "conversion.html").tables["sensitivity"]
    assert head == ["layer", "operator", "constants", "alone in int8, %"]
    assert [row[:3] for row in rows] == [
        [layer["name"], layer["operator"], str(layer["constants"])] for layer in told["layers"]
    ]
    assert {row[1] for row in rows} == {"FULLY_CONNECTED", "LOGISTIC"}
    assert [float(row[3]) for row in rows] == pytest.approx(
        [100 * layer["error"] for layer in told["layers"]], rel=5e-3
    )


def test_the_example_judges_rigs_that_the_model_has_not_seen(explored: Path) -> None:
    page = Page(explored / "evaluation.html")
    require_self_contained(page)
    metrics = {row[0]: [float(cell) for cell in row[1:]] for row in page.tables["metrics"][1:]}
    assert page.tables["metrics"][0] == ["metric", "keras", "quantised", "gateway"]
    assert metrics["tp"][2] + metrics["fn"][2] > 100
    assert metrics["roc_auc"][2] > 0.9
    assert "errors-" in page.text
    assert "decisions flipped" in page.text


def test_the_operators_and_their_constants_are_those_of_the_model(
    dense: bundle.Bundle, line_bundles: dict
) -> None:
    assert [o.name for o in architecture.operators(dense.model)][-1] == "LOGISTIC"
    assert sum(o.constants.get("float32", 0) for o in architecture.operators(dense.model)) == 17
    layers = architecture.operators(bundle.read(line_bundles["int8"][0]).model)
    assert layers[0].name == "QUANTIZE"
    fully = [layer for layer in layers if layer.name == "FULLY_CONNECTED"]
    assert [layer.shape for layer in fully] == [[1, 32], [1, 16], [1, 1]]
    assert [layer.constants["int8"] for layer in fully] == [6 * 32, 32 * 16, 16]


def test_a_drawing_takes_its_colours_from_the_page_and_marks_the_limit() -> None:
    target, score = np.array([0.0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])
    svg = plots.receiver(curves(target, score), 0.5)
    assert "var(--chosen)" in svg
    assert "limit 0.5" in svg
    assert "#0" not in svg.replace('href="#', "")


def test_a_curve_begins_without_alarms_and_ends_with_all() -> None:
    found = curves(np.array([0.0, 1, 0, 1]), np.array([0.2, 0.7, 0.7, 0.9]))
    assert isinstance(found, Curves)
    assert found.limit.tolist() == [np.inf, 0.9, 0.7, 0.2]
    assert found.recall.tolist() == [0, 0.5, 1, 1]
    assert found.false_alarms.tolist() == [0, 0, 0.5, 1]
    assert found.precision.tolist() == [1, 1, 2 / 3, 0.5]


def test_a_long_line_keeps_its_extremes() -> None:
    y = np.sin(np.arange(100_000.0))
    y[70_001], y[30_003] = 5.0, np.nan
    _, thin = plots._envelope(np.arange(100_000.0), y)
    assert len(thin) == 2 * plots._COLUMNS
    assert np.nanmax(thin) == 5.0


def test_flips_are_drawn_for_each_recipe_that_has_any() -> None:
    tried = [candidate("int8", [40, 41]), candidate("float16", [])]
    seen = Windows(np.arange(50), np.zeros((50, 1)), np.zeros((50, 1), np.float32))
    drawn = sections.flip_figure(choice.flipped(tried), seen)
    assert ">int8<" in drawn
    assert "float16" not in drawn
    assert not sections.flip_figure(choice.flipped(tried[1:]), seen)
    assert ">int8<" in plots.flips({"int8": [7]}, 7, 7)


def test_a_recipe_that_could_not_be_made_says_why_and_shows_no_figure(tmp_path: Path) -> None:
    lost = Candidate(recipe="int16x8", reason="the converter <died>")
    html.write(tmp_path / "a.html", "a", [choice.candidates([lost, candidate("int8", [])])])
    rows = Page(tmp_path / "a.html").tables["candidates"]
    assert rows[1] == ["int16x8", *["-"] * 9, "the converter <died>"]
    assert rows[2][0] == "int8"
