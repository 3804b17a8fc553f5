"""Units as people write them: plants' symbols, UCUM's, words, and what is none of them."""

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config.units import is_unit, meaning, near, symbols


@pytest.mark.parametrize(
    "unit",
    [
        *("degC", "°C", "Cel", "[degF]", "celsius", "K"),
        *("mm/s", "[in_i]/s", "m/s2", "m/s²", "m·s⁻²", "[g]"),
        *("m3/h", "m³/h", "m^3/h", "m**3/h", "l/min", "Nm3/h", "Nm³/h", "Sm3/h"),
        *("kW.h", "kWh", "MWh/a", "kVA", "kVAh", "var", "kvar", "kVAr", "kvarh", "cosphi", "cos phi", "cosφ"),
        *("Ohm", "kOhm", "\u03a9", "\u2126", "uS/cm", "\u00b5S/cm", "\u03bcS/cm"),
        *(
            "bar",
            "mbar",
            "hPa",
            "bar(g)",
            "bar (g)",
            "bar g",
            "barg",
            "bara",
            "bar(a)",
            "bar abs",
            "kPa(g)",
            "psig",
        ),
        *("U/min", "rpm", "1/min", "/min", "min-1", "{rev}/min", "s⁻¹", "{parts}/h"),
        *("%", "%rH", "% rH", "% r.F.", "ppm", "dB", "dB(A)", "pH", "mmHg", "inH2O"),
        *("N.m", "N·m", "Nm", "kNm", "N/mm2", "W/(m2.K)", "W / (m2 K)", "kJ/kg", "mg/l"),
        *("meters", "kilowatt", "degree", "revolutions_per_minute"),
    ],
)
def test_units_that_plants_use_are_known(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize(
    ("symbol", "what"),
    [
        ("U", "revolution"),
        ("bar(g)", "bar over ambient"),
        ("barg", "bar over ambient"),
        ("bara", "bar absolute"),
        ("Nm3", "normal cubic metre"),
        ("Nm", "newton metre"),
        ("%rH", "relative humidity"),
        ("kvar", "volt ampere reactive"),
        ("cosphi", "power factor"),
        ("min", "minute"),
        ("PS", "metric horsepower"),
        ("cfm", "cubic feet a minute"),
        ("pcs", "piece"),
        ("pH", "acidity"),
    ],
)
def test_a_symbol_is_what_plants_mean_by_it(symbol: str, what: str) -> None:
    assert meaning(symbol) == what


@pytest.mark.parametrize(
    "unit",
    [
        *("mm/ss", "degc", "kWhh", "foo", "mm/(s", "m3/h!", "__import__('os')", "9**9**9", "m/", "//m", ")"),
        *("C", "F", "KW", "Kg", "M3/h"),  # a coulomb, a farad, kelvin watt, molar: nobody means that
        *("Nm2", "Nm-2", "kWh2"),  # of which part is it the exponent?
        *("m(g)", "bar(x)", "bar)(g", "m3 (i.N.)/h"),  # no milligram
        *("rH", "dH", "Gs", "cd", "ton"),  # a rontohenry, a decihenry, a gigasecond, two tons
    ],
)
def test_what_is_no_unit_or_may_be_another_is_told(unit: str) -> None:
    assert not is_unit(unit)


def test_every_symbol_of_the_table_is_a_unit_and_stands_there_once() -> None:
    table = (resources.files("edge_agent.config") / "units.txt").read_text(encoding="utf-8")
    listed = [
        s for line in table.splitlines() if not line.startswith("#") for s in line.partition(":")[2].split()
    ]
    assert sorted(listed) == sorted(symbols())
    assert all(map(is_unit, listed))


@pytest.mark.parametrize(
    ("text", "unit"),
    [("mm/ss", "mm/s"), ("kWhh", "kWh"), ("C", "°C"), ("KW", "kW"), ("M3/h", "m3/h"), ("??", "mm/s")],
)
def test_the_nearest_unit_is_named(text: str, unit: str) -> None:
    assert near(text) == unit


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    assert is_unit(text) in (True, False)
