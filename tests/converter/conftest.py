"""Models that the example scripts train, and bundles made of them. TensorFlow stays in other processes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from forked import script
from sources import EXAMPLES

from converter import Report, convert
from converter.process import TensorFlow

PUMPS = 40


@pytest.fixture(scope="session")
def tensorflow() -> Iterator[TensorFlow]:
    """One for all conversions of this process: loading it takes longer than most of them."""
    with TensorFlow() as kept:
        yield kept


@pytest.fixture(scope="session")
def xor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xor")
    script(EXAMPLES / "xor/train.py", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    script(EXAMPLES / "line_efficiency/train.py", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    script(Path(__file__).with_name("build_odd_models.py"), folder)
    return folder


@pytest.fixture(scope="session")
def pumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models of one architecture, pump000.keras and so on, each with its pump000.csv."""
    folder = tmp_path_factory.mktemp("pumps")
    script(Path(__file__).with_name("build_many_models.py"), folder, PUMPS)
    return folder


@pytest.fixture
def small_card(tmp_path: Path) -> Path:
    """A card for a model with the inputs `a` and `b`."""
    path = tmp_path / "card.toml"
    path.write_text(
        'name = "small"\nversion = "1"\nperiod = "1s"\n'
        '[[inputs]]\nname = "a"\n[[inputs]]\nname = "b"\n'
        '[[outputs]]\nname = "y"\nkind = "value"\n'
    )
    return path


@pytest.fixture
def few_rows(tmp_path: Path) -> Path:
    """Three hundred rows of the inputs `a` and `b`."""
    path = tmp_path / "rows.csv"
    rows = np.random.default_rng(0).normal(size=(300, 2))
    np.savetxt(path, rows, "%.6f", ",", header="a,b", comments="")
    return path


@pytest.fixture(scope="session")
def line_bundles(line: Path, tensorflow: TensorFlow) -> dict[str, tuple[Path, Report]]:
    card, made = EXAMPLES / "line_efficiency/card.toml", {}
    for recipe in ("float32", "int8"):
        out = line / f"{recipe}.bundle"
        model, data = line / "line_efficiency.keras", line / "data.npy"
        made[recipe] = (out, convert(model, data, card, out, recipe, tensorflow=tensorflow))
    return made
