"""Steps of other packages: found by entry point, never instead of our own, and a missing one is named."""

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from dense_model import MANIFEST

from edge_agent import installed
from edge_agent.core.parsing import ManifestError, parse
from edge_agent.core.preparation import Preparation
from edge_agent.core.steps import OWN

SOURCE = '''
import msgspec
from edge_agent.core.steps.step import Columnwise

class Squared(Columnwise, msgspec.Struct, frozen=True, kw_only=True, tag="squared"):
    """x * x."""

    def function(self, width, period):
        return lambda rows: rows * rows, 0

class Mine(Columnwise, msgspec.Struct, frozen=True, kw_only=True, tag="clip"):
    """Ours has this name already."""
'''
POINTS = """[edge_agent.steps]
squared = our_steps:Squared
clip = our_steps:Mine
other_name = our_steps:Squared
number = our_steps:__name__
gone = our_steps:Gone
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with steps, installed as pip installs one."""
    (tmp_path / "our_steps.py").write_text(SOURCE)
    info = tmp_path / "our_steps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-steps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "our_steps", raising=False)


def bundle_with(step: dict) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(MANIFEST) | {"steps": [step]})


@pytest.mark.usefixtures("package")
def test_a_step_of_another_package_is_found_by_its_name_and_runs() -> None:
    assert {"squared", "clip", "affine"} <= set(installed.names())
    manifest = parse(bundle_with({"type": "squared", "columns": ["head"]}), installed.find)
    assert Preparation(manifest)(np.array([[1.0, 2, 3, 4]])).tolist() == [[1, 4, 3, 4]]


@pytest.mark.usefixtures("package")
def test_none_of_our_own_is_replaced() -> None:
    assert installed.find("clip") is OWN["clip"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("other_name", "our_steps:Squared is no step: .* with the tag 'other_name'"),
        ("number", "our_steps:__name__ is no step"),
        ("gone", "the step 'gone' of our_steps:Gone cannot be imported"),
        ("nowhere", "the step 'nowhere' is not installed here; install the package that brings it"),
    ],
)
def test_a_bundle_whose_step_is_not_to_be_had_is_refused_with_its_name(name: str, told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        parse(bundle_with({"type": name}), installed.find)
