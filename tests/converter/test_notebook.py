"""The notebook of the examples, run as Jupyter runs its cells: inside an event loop."""

import subprocess
import sys
from pathlib import Path

from sources import EXAMPLES

from converter import card_file
from edge_agent import bundle

IN_A_LOOP = """
import asyncio, runpy, sys

async def cells():
    runpy.run_path(sys.argv[1])

asyncio.run(cells())
"""


def test_the_notebook_ends_in_a_bundle_and_a_card_to_keep(tmp_path: Path) -> None:
    notebook = EXAMPLES / "notebook/pump.py"
    done = subprocess.run(
        [sys.executable, "-c", IN_A_LOOP, str(notebook)],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    made = tmp_path / "build/notebook"
    manifest = bundle.read(made / "pump.bundle").manifest
    card = card_file.load(made / "pump.toml")
    assert [i.name for i in card.inputs] == [i.name for i in manifest.inputs] == ["vibration", "temperature"]
    assert (manifest.name, manifest.window, manifest.period) == ("pump", 10, 0.1)
    assert [(o.name, o.kind) for o in manifest.outputs] == [("label", "probability")]
    by_path = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if "accuracy" in line)
    assert by_path.keys() == {"keras", "quantised", "gateway"}
    assert by_path["quantised"] == by_path["gateway"]
    assert float(by_path["gateway"].split()[-1]) > 0.9


def test_the_notebook_is_made_of_cells() -> None:
    text = (EXAMPLES / "notebook/pump.py").read_text(encoding="utf-8")
    assert text.startswith("# %% [markdown]\n")
    assert text.count("\n# %%\n") == text.count("# %% [markdown]\n") == 5
