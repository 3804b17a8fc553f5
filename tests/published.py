"""The register tables from which the profiles were made, as their sources publish them."""

import csv
from typing import NamedTuple

from sources import DATA as ALL_DATA

DATA = ALL_DATA / "registers"
SOURCES: dict[str, tuple[str, set[str]]] = {
    "sdm630": ("eastron_sdm630.csv", {"readlen"}),
    "em24": ("carlogavazzi_em24.csv", set()),
    "qm30vt2": ("banner_qm30vt2.csv", set()),
    "pm5100": (
        "schneider_pm5100.csv",
        {"averageneutralvoltage", "totalpowerfactor", "firmwareversionstatus"},
    ),
}
"""By profile the source, and what of it the profile leaves out and says so."""


class Fact(NamedTuple):
    """One row of a source: the number is divided by `divisor`."""

    table: str
    address: int
    type: str
    order: str
    divisor: int


def published(profile: str) -> dict[str, Fact]:
    """Return what a profile has to have, by name without underscores."""
    source, left_out = SOURCES[profile]
    with (DATA / source).open(encoding="utf-8", newline="") as file:
        found = dict(map(fact, csv.DictReader(file)))
    assert left_out <= found.keys()
    return {name: where for name, where in found.items() if name not in left_out}


def fact(row: dict[str, str]) -> tuple[str, Fact]:
    """Return the name and the rest of a row of a source.

    The columns are those of the four sources; PM5100's registers are counted from one.
    """
    name = row.get("measurement") or row["name"]
    for ending in ("_sensor", "_accumulator", "_label"):
        name = name.removesuffix(ending)
    counted = int(row["register"]) - 1 if "register" in row else None
    address = counted if counted is not None else int(row.get("address") or row["address_0based"])
    table = row.get("table", "holding").lower()
    kind = {"FLOAT32": "float32", "INT64U": "uint64", "INT32U": "uint32", "STRING40": "string[40]"}.get(
        row.get("type", "float32"), row.get("type", "float32")
    )
    order = "CDAB" if row.get("word_order") == "swapped" else ""
    return name.replace("_", "").lower(), Fact(table, address, kind, order, int(row.get("divide_by") or 1))
