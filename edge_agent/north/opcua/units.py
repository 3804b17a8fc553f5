"""Units as OPC UA names them: the codes of UNECE Recommendation 20, as numbers (OPC 10000-8, 5.6.3).

Those that plants measure in. The full list has 1,800, and what is not here is told by its name alone.
"""

import re

from asyncua import ua

NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"
UNKNOWN = -1

_CODES = {
    # length, area, volume, angle
    "MMT": "mm millimeter", "CMT": "cm", "MTR": "m meter", "KMT": "km", "4H": "um micron", "C45": "nm",
    "INH": "in inch [in_i]", "FOT": "ft foot [ft_i]", "MMK": "mm2", "CMK": "cm2", "MTK": "m2",
    "MLT": "ml mL", "LTR": "l L liter", "CMQ": "cm3", "MTQ": "m3", "DD": "deg degree", "C81": "rad",
    # time, speed, acceleration, frequency
    "B98": "us", "C26": "ms", "SEC": "s second", "MIN": "min minute", "HUR": "h hour", "DAY": "d day",
    "C16": "mm/s", "MTS": "m/s", "H81": "mm/min", "2X": "m/min", "KMH": "km/h", "M41": "mm/s2", "MSK": "m/s2",
    "HTZ": "Hz", "KHZ": "kHz", "MHZ": "MHz", "RPM": "rpm RPM UPM U/min", "2A": "rad/s",
    "C97": "1/s s-1", "C94": "1/min /min min-1",
    # mass, density, flow
    "MGM": "mg", "GRM": "g", "KGM": "kg", "TNE": "t", "KMQ": "kg/m3", "GL": "g/l g/L", "M1": "mg/l mg/L",
    "KGS": "kg/s", "F31": "kg/min", "E93": "kg/h", "F29": "g/s", "E18": "t/h",
    "MQS": "m3/s", "G53": "m3/min", "MQH": "m3/h",
    "G51": "l/s L/s", "L2": "l/min L/min lpm LPM", "E32": "l/h L/h",
    # force, torque, pressure, viscosity
    "NEW": "N", "B47": "kN", "NU": "N.m Nm", "B48": "kN.m kNm", "PAL": "Pa", "A97": "hPa", "KPA": "kPa",
    "MPA": "MPa", "BAR": "bar", "MBR": "mbar", "PS": "psi [psi]", "HN": "mmHg", "F78": "inH2O",
    "C65": "Pa.s Pas", "C24": "mPa.s mPas", "C17": "mm2/s",
    # temperature, energy, power
    "CEL": "degC Cel celsius Celsius", "FAH": "degF [degF]", "KEL": "K kelvin",
    "JOU": "J", "KJO": "kJ", "3B": "MJ", "WHR": "W.h Wh", "KWH": "kW.h kWh", "MWH": "MW.h MWh",
    "WTT": "W", "KWT": "kW", "MAW": "MW", "D54": "W/m2",
    # electricity
    "D46": "VA V.A", "KVA": "kVA", "MVA": "MVA",
    "D44": "var VAr VAR", "KVR": "kvar kVAr kVAR", "K3": "kvarh kvar.h kVArh kVARh",
    "4K": "mA", "AMP": "A ampere", "B22": "kA", "2Z": "mV", "VLT": "V", "KVT": "kV",
    "OHM": "Ohm ohm", "B49": "kOhm", "B75": "MOhm", "4O": "uF", "81": "H", "C14": "mH",
    "SIE": "S", "C27": "mS", "B99": "uS", "G42": "uS/cm", "H61": "mS/cm", "D33": "T", "C29": "mT",
    # share, level, light
    "P1": "% pct percent", "59": "ppm", "2N": "dB", "LUX": "lx",
}  # fmt: skip
"""The code, and ways to write the unit once `_plain` has seen it."""
_BY_NAME = {name: code for code, names in _CODES.items() for name in names.split()}
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_SAME = str.maketrans(
    {
        "℃": "degC",
        "℉": "degF",
        "°": "deg",
        "\u00b5": "u",
        "\u03bc": "u",
        "\u2126": "Ohm",
        "\u03a9": "Ohm",
        "⁻": "-",
        "¹": "1",
        "²": "2",
        "³": "3",
    }
    | {"·": ".", "*": ".", " ": ".", "^": None, "(": None, ")": None}
)


def code_of(text: str) -> str:
    """Return the code of a unit as a tag states it, such as ``m³/h`` or ``Cel``, "" if it has none here."""
    plain = _ANNOTATION.sub("", text.strip()).replace("**", "").translate(_SAME)
    return _BY_NAME.get(plain, "")


def information(text: str) -> ua.EUInformation:
    """Return a unit as a client is told of it; its number is the bytes of its code, or `UNKNOWN`."""
    code = code_of(text)
    number = int.from_bytes(code.encode("ascii"), "big") if code else UNKNOWN
    return ua.EUInformation(
        NamespaceUri=NAMESPACE if code else None, UnitId=number, DisplayName=ua.LocalizedText(text)
    )
