"""Device profiles are tag tables in order, and say where they come from."""

import json
from pathlib import Path

import pytest
from published import DATA, SOURCES, Fact, published
from sources import EXAMPLES

from edge_agent.config import load
from edge_agent.config.fields import Place
from edge_agent.config.schema import ScannedTag
from edge_agent.config.tables import ModbusTable
from edge_agent.config.tags import profiles, tags_of
from edge_agent.config.units import is_unit
from edge_agent.core.readplan import DEFAULT_LIMITS, plan_blocks
from edge_agent.core.registers import Address

PROFILES = profiles()


def tags_from(profile: str, base: int = 0) -> list[ScannedTag]:
    place = Place(Path("config.toml"))
    table = ModbusTable(driver="modbus-tcp", tags=f"profile:{profile}", base=base)
    tags = tags_of("meter", table, place)
    assert place.errors == []
    return tags


def addresses(tags: list[ScannedTag]) -> list[Address]:
    found = [scanned.tag.address for scanned in tags]
    assert all(isinstance(address, Address) for address in found)
    return found


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_in_order_with_known_units_and_a_source(name: str) -> None:
    tags = tags_from(name)
    assert [scanned.tag for scanned in tags if not is_unit(scanned.tag.unit)] == []
    head = PROFILES[name].read_text(encoding="utf-8").splitlines()[:2]
    assert all(line.startswith("# ") for line in head)
    assert name in (PROFILES[name].parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("profile", "tag", "table", "offset", "kind", "order", "scale"),
    [
        ("sdm630", "import", "input", 72, "float32", "", 1),
        ("em24", "power", "input", 40, "int32", "CDAB", 0.1),
        ("em24", "frequency", "input", 55, "int16", "", 0.1),
        ("pm5100", "total_energy", "holding", 3203, "uint64", "", 1),
        ("qm30vt2", "temp_c", "holding", 5203, "int16", "", 0.01),
    ],
)
def test_a_known_register_is_where_its_source_says(
    profile: str, tag: str, table: str, offset: int, kind: str, order: str, scale: float
) -> None:
    (found,) = [s.tag for s in tags_from(profile) if s.tag.name == f"meter.{tag}"]
    address = found.address
    assert isinstance(address, Address)
    assert (address.table, address.offset, address.type, address.order) == (table, offset, kind, order)
    assert found.scale == scale


@pytest.mark.data
@pytest.mark.parametrize("profile", SOURCES)
def test_every_register_of_a_profile_is_where_its_source_says(profile: str) -> None:
    ours = {}
    for scanned in tags_from(profile):
        tag, address = scanned.tag, scanned.tag.address
        assert isinstance(address, Address)
        kind = f"string[{address.length}]" if address.type == "string" else address.type
        name = tag.name.removeprefix("meter.").replace("_", "")
        ours[name] = Fact(address.table, address.offset, kind, address.order or "", round(1 / tag.scale))
    assert ours == published(profile)


def test_a_base_moves_a_profile_and_its_scale_factors() -> None:
    plain, moved = addresses(tags_from("sunspec-103")), addresses(tags_from("sunspec-103", base=40069))
    assert [a.offset + 40069 for a in plain] == [a.offset for a in moved]
    assert [a.factor.offset - 40069 for a in moved if a.factor] == [
        a.factor.offset for a in plain if a.factor
    ]
    assert len(plan_blocks(moved, DEFAULT_LIMITS)) == 1


def test_the_example_with_profiles_is_in_order() -> None:
    config = load(EXAMPLES / "meters" / "agent.toml", check_units=True)
    assert config.warnings == []
    assert {device.name: len(device.tags) for device in config.devices}["press"] == 12


@pytest.mark.data
@pytest.mark.parametrize("number", [1, 103])
def test_a_sunspec_profile_is_what_sunspec_publishes(number: int) -> None:
    model = json.loads((DATA / f"model_{number}.json").read_text(encoding="utf-8"))
    published, offset = {}, 0
    for point in model["group"]["points"]:
        if point["type"] != "pad":
            published[f"meter.{point['name']}"] = (offset, point["size"], f"meter.{point.get('sf')}")
        offset += point["size"]
    tags = [scanned.tag for scanned in tags_from(f"sunspec-{number}")]
    names = {tag.address: tag.name for tag in tags}
    ours = {
        tag.name: (a.offset, a.count, names[a.factor] if a.factor else "meter.None")
        for tag, a in zip(tags, addresses(tags_from(f"sunspec-{number}")), strict=True)
    }
    assert ours == published
