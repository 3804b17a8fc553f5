"""What a bundle asks of a machine: tags for its inputs, numbers for its constants."""

import math
from pathlib import Path

import pytest
from dense_model import manifest

from edge_agent.config.fields import Place
from edge_agent.config.inputs import constants_of, inputs_of
from edge_agent.config.schema import ScannedTag
from edge_agent.core.manifest import Input
from edge_agent.core.tags import Tag


def asked(name: str, **more: object) -> Input:
    return Input(name=name, min=0, max=1, mean=0, std=1, **more)  # type: ignore[arg-type]


def scanned(name: str, scan: float = 1.0) -> ScannedTag:
    return ScannedTag(tag=Tag(name=name, address=0), scan=scan)


def place() -> Place:
    return Place(Path("plant.toml"), "machine.press.inputs")


def test_the_name_of_a_waveform_stands_for_all_its_samples() -> None:
    bundle = manifest(inputs=[asked("load"), *(asked(f"vib[{i}]") for i in range(3))])
    tags = {name: scanned(name) for name in ("p.load", "p.v[0]", "p.v[1]", "p.v[2]")}
    where = place()
    found = inputs_of({"vib": "p.v", "load": "p.load"}, bundle, tags, set(), where)
    assert (found, where.errors) == (["p.load", "p.v[0]", "p.v[1]", "p.v[2]"], [])
    del tags["p.v[2]"]
    inputs_of({"vib": "p.v", "load": "p.load"}, bundle, tags, set(), where)
    [told] = where.errors
    assert told.startswith(
        "plant.toml: machine.press.inputs.vib[2]: there is no tag 'p.v[2]'; did you mean 'p.v["
    )


@pytest.mark.parametrize(
    ("max_age", "scan", "told"),
    [
        (None, 1.0, ""),
        (None, 2.0, "is read every 2 s, the bundle steps every 1 s"),
        (5.0, 5.0, ""),
        (5.0, 6.0, "is read every 6 s, the bundle allows an age of 5 s"),
        (0.2, 1.0, ""),
    ],
)
def test_a_tag_may_be_read_as_slowly_as_the_bundle_allows(max_age: float, scan: float, told: str) -> None:
    where = place()
    bundle = manifest(inputs=[asked("load", max_age=max_age)], period=1.0)
    inputs_of({"load": "p.load"}, bundle, {"p.load": scanned("p.load", scan)}, set(), where)
    assert len(where.errors) == bool(told)
    assert told in "".join(where.errors)


def test_constants_stand_in_the_bundles_order() -> None:
    bundle = manifest(constants=[asked("rated", unit="kW"), asked("length")])
    where = place()
    assert constants_of({"length": 2, "rated": 55.0}, bundle, where) == (55.0, 2)
    assert where.errors == []


def test_constants_that_are_missing_or_unknown_are_told_at_once() -> None:
    bundle = manifest(constants=[asked("rated", unit="kW"), asked("length")])
    where = place()
    constants_of({"ratet": 55.0, "length": math.inf}, bundle, where)
    assert [error.removeprefix("plant.toml: machine.press.inputs.") for error in where.errors] == [
        "ratet: the bundle has no such constant; did you mean 'rated'?",
        "length: inf is no number that a model can take",
        "rated: the bundle needs this constant of the machine, in kW; give it",
    ]
