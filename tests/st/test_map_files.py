"""What `edge-agent map` writes beside the function block's logic, and what it refuses."""

import csv
import json
import shutil
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from plcopen_rules import TC6, XHTML, problems
from st_machine import FunctionBlock

from edge_agent.cli import main
from edge_agent.core.resultblock import FIELDS


@pytest.fixture
def folder(mapped, tmp_path):
    """A copy of the configuration to change."""
    return shutil.copytree(mapped.parent, tmp_path / "case", ignore=shutil.ignore_patterns("plc"))


def run(folder, *args):
    return CliRunner().invoke(main, ["map", str(folder / "config.toml"), "-o", str(folder / "plc"), *args])


def two_machines(folder, first, second):
    """Have two machines, both with their results in one device."""
    text = (folder / "config.toml").read_text()
    pump = text[text.index("[machine.pump]") : text.index("[machine.pump.permit]")]
    pump = pump.replace('mode = "active"', 'mode = "advisory"')
    other = pump.replace("pump", second).replace("address = 400", "address = 500")
    devices = text[: text.index("[machine.pump]")]
    (folder / "config.toml").write_text(devices + pump.replace("pump", first) + other)


def test_the_map_has_everything_that_is_read_and_written(mapped):
    with (mapped / "map.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert len(rows) == 6 + len(FIELDS) + 1
    assert rows["press.speed"] | {"writer": "PLC", "modicon": "30001", "order": "ABCD"} == rows["press.speed"]
    for name, kind, word in FIELDS:
        row = rows[f"pump.result.{name}"]
        assert (row["writer"], row["table"], row["type"]) == ("agent", "holding", kind)
        assert (row["address"], row["modicon"]) == (str(400 + word), str(40401 + word))
    limit = rows["press.speed_limit"]
    assert (limit["unit"], limit["low"], limit["high"], limit["address"]) == ("rpm", "800", "1450", "430")
    page = (mapped / "map.md").read_text(encoding="utf-8")
    assert all("| " + " | ".join(row.values()) + " |" in page for row in rows.values())


def test_the_contract_says_where_when_and_on_what_terms(mapped):
    page = (mapped / "contract.md").read_text(encoding="utf-8")
    for said in (
        "20 registers, one request: press holding 400 (40401) to 419, with every result and at least every 1",
        "`press.speed_limit` (press holding 430 (40431)) follows alarm, 800 to 1450 rpm, at most 50 a write",
        "Only while `press.permissive` is not 0, `press.beat` moves at least every 2 s",
        "| input flow | press.flow | press input 4 (30005) |  |",
        "When it stands still for 2 s",
        "13 QUARANTINED",
    ):
        assert said in page


def test_the_xml_is_plcopens_and_has_the_same_program(mapped, source):
    root = ET.parse(mapped / "plcopen.xml").getroot()
    assert list(problems(root)) == []
    datetime.fromisoformat(root.find(f"{TC6}fileHeader").get("creationDateTime"))
    (pou,) = root.iter(f"{TC6}pou")
    assert source.endswith(pou.find(f"{TC6}body/{TC6}ST/{XHTML}xhtml").text + "END_FUNCTION_BLOCK\n")
    block = FunctionBlock(source)
    assert pou.get("name") == block.name == "FB_pump"
    declared = [v.get("name") for v in pou.iter(f"{TC6}variable")]
    assert declared == list(block.types)
    inputs = {v.get("name") for v in pou.find(f"{TC6}interface/{TC6}inputVars")}
    constants = {v.get("name") for v in pou.find(f"{TC6}interface/{TC6}localVars[@constant='true']")}
    assert (inputs, constants) == (block.inputs, block.constants)
    for variable in pou.iter(f"{TC6}variable"):
        kind = variable.find(f".//{TC6}baseType/*")
        kind = variable.find(f"{TC6}type/*") if kind is None else kind
        assert kind.tag == TC6 + block.types[variable.get("name")]


def test_each_machine_has_its_own_block_and_its_own_place_in_the_contract(folder):
    two_machines(folder, "pump", "fan-2")
    assert run(folder).exit_code == 0
    page = (folder / "plc" / "contract.md").read_text(encoding="utf-8")
    assert "press holding 400 (40401) to 419" in page[page.index("## pump") :]
    assert "press holding 500 (40501) to 519" in page[page.index("## fan-2") :]
    assert "\nFUNCTION_BLOCK FB_fan_2\n" in (folder / "plc" / "FB_fan_2.st").read_text(encoding="utf-8")
    assert [p.get("name") for p in ET.parse(folder / "plc" / "plcopen.xml").iter(f"{TC6}pou")] == [
        "FB_pump",
        "FB_fan_2",
    ]


def test_machines_that_a_plc_would_not_tell_apart_are_refused_and_nothing_is_written(folder):
    two_machines(folder, "pump_1", "PUMP-1")
    ended = run(folder)
    said = "machines pump_1 and PUMP-1: both would be FB_PUMP_1 in the PLC; rename one"
    assert (ended.exit_code, ended.output) == (78, f"{folder / 'config.toml'}: {said}\n")
    assert not (folder / "plc").exists()


def test_a_name_that_ends_a_comment_ends_none(folder):
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text('[agent]\nname = "a *) b"\n' + text)
    assert run(folder).exit_code == 0
    first, second = (folder / "plc" / "FB_pump.st").read_text(encoding="utf-8").splitlines()[:2]
    assert (first.index("*)"), second) == (len(first) - 2, "FUNCTION_BLOCK FB_pump")


def test_the_command_for_programs_and_its_refusals(folder):
    ended = run(folder, "--json")
    names = [path.rpartition("/")[2] for path in json.loads(ended.output)]
    assert names == ["map.csv", "map.md", "contract.md", "FB_pump.st", "plcopen.xml"]
    assert sorted(names) == sorted(path.name for path in (folder / "plc").iterdir())
    shutil.rmtree(folder / "plc")
    (folder / "plc").write_text("in the way")
    ended = CliRunner().invoke(main, ["map", str(folder / "config.toml"), "-o", str(folder / "plc" / "x")])
    assert (ended.exit_code, ended.output) == (1, f"{folder / 'plc' / 'x'}: Not a directory\n")
    (folder / "config.toml").write_text("[machine.x]\n")
    assert run(folder).exit_code == 2, "a file where the folder should be"
    (folder / "plc").unlink()
    assert run(folder).exit_code == 78
    assert not (folder / "plc").exists()
