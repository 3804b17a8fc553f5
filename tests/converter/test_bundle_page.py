"""The page about a bundle alone: its figures are those of the manifest and of the known answers."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from test_html import Page

from converter.cli import main
from edge_agent import bundle
from edge_agent.demo.site import SHIPPED


def test_the_page_says_what_the_bundle_promises(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["report", str(SHIPPED), "-o", str(tmp_path / "page.html")])
    assert told.exit_code == 0, told.output
    page, judged = Page(tmp_path / "page.html"), bundle.read(SHIPPED)
    assert [row[0] for row in page.tables["inputs"][1:]] == [i.name for i in judged.manifest.inputs]
    ((name, kind, _, alarm, warning),) = page.tables["outputs"][1:]
    assert (name, kind, warning) == ("bearing_wear", "probability", "-")
    assert alarm == ">= 0.8, ends < 0.4, after 1 s, back after 5 s"
    ((_, largest, _, tolerance),) = page.tables["known"][1:]
    off = np.abs(judged.known.outputs - judged.known.originals).max()
    assert float(largest) == float(f"{off:.6g}")
    assert float(tolerance) == float(f"{judged.manifest.model.outputs[0].tolerance:.6g}")
    assert len(page.ids) == len(set(page.ids))
    assert "http" not in page.text.replace("http://www.w3.org", "")


def test_a_file_that_is_no_bundle_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_text("nothing")
    told = CliRunner().invoke(main, ["report", str(tmp_path / "x.bundle"), "-o", str(tmp_path / "page.html")])
    assert told.exit_code == 1
    assert "x.bundle" in told.stderr
    assert not (tmp_path / "page.html").exists()
