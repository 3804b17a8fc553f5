"""A model that was trained aware of its quantisation becomes the int8 model that it was trained to be."""

from pathlib import Path

import pytest
from forked import script

from converter import convert, input_scale
from converter.process import TensorFlow
from edge_agent import bundle

CARD = """
name = "aware"
version = "1"
period = "1s"
inputs = [{ name = "a" }, { name = "b" }, { name = "c" }]
outputs = [{ name = "y", kind = "value" }]
"""


def test_its_own_scales_are_kept_whatever_the_calibration_data_span(
    tmp_path: Path, tensorflow: TensorFlow
) -> None:
    script(Path(__file__).with_name("build_aware.py"), tmp_path)
    (tmp_path / "card.toml").write_text(CARD)
    made = tmp_path / "aware.bundle"
    asked = (tmp_path / "aware", tmp_path / "aware.csv", tmp_path / "card.toml", made)
    report = convert(*asked, "int8", max_error=0.1, tensorflow=tensorflow)
    (scale,) = input_scale.read(bundle.read(made).model)
    assert scale is not None
    assert (scale.low, scale.high) == pytest.approx((-4, 4), abs=0.04)
    assert report.weights == {"int8": 3}
