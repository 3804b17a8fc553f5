"""Units as people write them: pint's names, UCUM's, and what is neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.units import is_unit, problems
from edge_agent.core.tags import Tag


@pytest.mark.parametrize(
    "unit",
    [
        "degC",
        "°C",
        "Cel",
        "[degF]",
        "mm/s",
        "[in_i]/s",
        "m3/h",
        "m³/h",
        "m^3/h",
        "m**3/h",
        "l/min",
        "kW.h",
        "kWh",
        "kvarh",
        "kVAh",
        "VA",
        "var",
        "Ohm",
        "kOhm",
        "rpm",
        "%",
        "ppm",
        "bar",
        "mbar",
        "hPa",
        "N.m",
        "N·m",
        "m/s2",
        "m/s²",
        "W/(m2.K)",
        "uS/cm",
        "µm",
        "1/min",
        "/min",
        "{rev}/min",
        "s-1",
        "s⁻¹",
        "[g]",
        "mmHg",
        "inH2O",
        "dB",
    ],
)
def test_units_that_plants_use_are_known(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize(
    "unit", ["mm/ss", "degc", "kWhh", "foo", "mm/(s", "m3/h!", "__import__('os')", "9**9**9"]
)
def test_what_is_no_unit_is_told(unit: str) -> None:
    assert not is_unit(unit)


def test_the_nearest_unit_is_named() -> None:
    tags = [Tag(name="a.x", address=None, unit="mm/ss"), Tag(name="a.y", address=None)]
    assert problems(tags) == ["a.x: unit 'mm/ss' is unknown; did you mean 'mm/s'?"]


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    assert is_unit(text) in (True, False)
