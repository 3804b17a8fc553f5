"""Configurations with mistakes, and what `check` says of each: every case is a folder of `tests/cases`."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from agent_process import small_bundle
from click.testing import CliRunner

from edge_agent.cli import main

CASES = Path(__file__).parent / "cases"
UNIT = {"flow": "m3/h", "speed": "rpm"}
NAMES = sorted(case.name for case in CASES.iterdir())


@pytest.fixture
def case(
    request: pytest.FixtureRequest, dense_tflite: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A case's folder with two bundles in it, `units` with units, as the current folder."""
    folder = tmp_path / "case"
    shutil.copytree(CASES / request.param, folder)
    manifest = small_bundle(folder / "small.bundle", dense_tflite)
    inputs = [msgspec.structs.replace(i, unit=UNIT.get(i.name, "")) for i in manifest.inputs]
    small_bundle(folder / "units.bundle", dense_tflite, inputs=inputs)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_check_says_exactly_what_is_expected(case: Path) -> None:
    ended = CliRunner().invoke(main, ["check", "config.toml"])
    said = f"exit {ended.exit_code}\n{ended.output}"
    assert said == (case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_check_says_the_same_in_json(case: Path) -> None:
    ended = CliRunner().invoke(main, ["check", "--json", "config.toml"])
    told = json.loads(ended.stdout)
    expected = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert f"exit {ended.exit_code}" == expected[0]
    if ended.exit_code:
        assert told == {"errors": expected[1:]}
    else:
        assert told["machines"] == [line for line in expected if line.startswith("machine ")]


def test_there_are_mistakes_of_many_kinds() -> None:
    wrong = [name for name in NAMES if (CASES / name / "expected.txt").read_text().startswith("exit 78")]
    assert len(wrong) >= 30
