"""What a configuration from the office may change, and what stays as the gateway's own file has it."""

import shutil
from pathlib import Path

import pytest
from agent_process import small_bundle

from edge_agent import reconfigured
from edge_agent.config import ConfigError, load
from edge_agent.configurations import Configurations, Document

CASE = Path(__file__).parents[1] / "cases/active-in-order/config.toml"
TEXT = CASE.read_text(encoding="utf-8")
FLEET = """
[agent]
state = "state"
[mqtt]
host = "broker.plant.example"
group = "plant"
[fleet]
group = "hall-3"
trust = "keys"
"""
LOGIN = """
[device.other]
driver = "opc-ua"
url = "opc.tcp://elsewhere.example:4840"
login = "plc"
"""
ADVISORY = ('mode = "active"', 'mode = "advisory"')
HOST = ("10.0.0.21", "10.0.0.99")
OTHER_INPUT = (
    'name = "speed", table = "input", address = 0',
    'name = "speed", table = "input", address = 10',
)


@pytest.fixture
def own(dense_tflite: bytes, tmp_path: Path) -> Path:
    """A gateway whose own file arms a machine."""
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    file = tmp_path / "config.toml"
    file.write_text(FLEET + TEXT)
    return file


def office(own: Path, text: str) -> Path:
    folder = own.parent / "office"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    return folder


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        changed(ADVISORY),
        changed(ADVISORY, OTHER_INPUT),
        changed(('mode = "active"', ""), HOST),
        TEXT[: TEXT.index("[machine.pump]")].replace(*HOST),
    ],
    ids=["same", "lower-mode", "other-input", "shadow-elsewhere", "no-machine"],
)
def test_the_same_and_less_may_be_configured_from_afar(own: Path, text: str) -> None:
    load(own, office=office(own, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed(("high = 1450", "high = 1500")), "machine.pump: in mode active all of it must be as in"),
        (changed(OTHER_INPUT), "in mode active all of it must be as in"),
        (changed(('permissive = "press.permissive"', 'permissive = "press.beat"')), "in mode active all"),
        (changed(ADVISORY, ("address = 400", "address = 410")), "writes a result that the gateway's own"),
        (changed(ADVISORY, HOST), "it writes to press, which is another device in the gateway's own file"),
        (changed(ADVISORY, ('owned = ["holding 0-99"]', "")), "it writes to press, which is another device"),
        (TEXT + LOGIN, "device.other: uses a credential or a key, so it must be as in the"),
        (changed(('"small.bundle"', '"../small.bundle"')), "'../small.bundle' is a file; name an installed"),
        (TEXT + FLEET, "agent: is the gateway's own; the office configures link, device and machine"),
    ],
    ids=["limit", "input", "permit", "result", "host", "owned", "login", "file", "sections"],
)
def test_what_is_written_and_where_secrets_go_is_decided_at_the_gateway(
    own: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(own, office=office(own, text))
    assert said in str(refused.value)
    assert "office/config.toml" in str(refused.value)


def test_the_gateways_own_file_may_allow_more_or_nothing(own: Path) -> None:
    folder = office(own, changed(("high = 1450", "high = 1500")))
    own.write_text(own.read_text().replace("[fleet]", '[fleet]\nconfigure = "writing"'))
    config = load(own, office=folder)
    assert config.machines[0].outputs[0].rule.high == 1500
    assert "fleet: a configuration from the office may change what this gateway writes" in config.warnings
    with pytest.raises(ConfigError, match="uses a credential or a key"):
        load(own, office=office(own, TEXT + LOGIN))
    own.write_text(own.read_text().replace('"writing"', '"nothing"'))
    with pytest.raises(ConfigError, match="the office may not configure this gateway"):
        load(own, office=office(own, TEXT))


def test_the_tag_that_stops_all_writing_stays_what_it_is(own: Path) -> None:
    own.write_text(own.read_text().replace('state = "state"', 'state = "state"\nstop = "press.permissive"'))
    load(own, office=office(own, TEXT))
    other = (
        'name = "permissive", table = "discrete", address = 0',
        'name = "permissive", table = "discrete", address = 9',
    )
    for text in (changed(ADVISORY, other), changed(('mode = "active"', ""), HOST)):
        with pytest.raises(ConfigError, match=r"press\.permissive stops all writing, so it must be as in"):
            load(own, office=office(own, text))


def taken(own: Path, sequence: int, text: str) -> Configurations:
    """Let a configuration be the active one."""
    store = Configurations(own.parent / "state")
    folder = store.keep(Document(sequence=sequence, files={"config.toml": text.encode()}), f"{sequence:064x}")
    with store.changing() as record:
        record.activate(folder.name)
    return store


def test_what_cannot_be_used_any_more_does_not_keep_the_service_from_starting(own: Path) -> None:
    store = taken(own, 3, TEXT)
    assert load(own).remote == 3
    (damaged,) = store.folder.glob("3-*")
    shutil.rmtree(damaged)
    with pytest.raises(ConfigError, match="No such file"):
        load(own)
    config = load(own, lenient=True)
    assert config.remote == 0
    assert "the office's configuration is not used, the gateway's own is: " in config.warnings[-1]
    assert reconfigured.begin(config)
    assert "gave up 3: " in store.read().journal[-1].what
    assert load(own).not_taken == ""
    assert not reconfigured.begin(load(own))


def test_a_damaged_store_does_not_keep_the_service_from_starting_either(own: Path) -> None:
    (taken(own, 3, TEXT).folder / "store.json").write_bytes(b"\0" * 10)
    with pytest.raises(ConfigError, match=r"store\.json: damaged"):
        load(own)
    config = load(own, lenient=True)
    assert (config.remote, [m.name for m in config.machines]) == (0, ["pump"])
    assert not reconfigured.begin(config)


def test_starts_without_healthy_cycles_bring_the_one_before_back(own: Path) -> None:
    taken(own, 3, TEXT)
    reconfigured.commit(load(own))
    store = taken(own, 4, changed(ADVISORY))
    for _ in range(2):
        assert not reconfigured.begin(load(own))
    reconfigured.end_well(load(own))
    assert [reconfigured.begin(load(own)) for _ in range(4)] == [False, False, False, True]
    config = load(own)
    assert (config.remote, store.read().committed) == (3, True)
    assert "gave up 4: 3 starts without healthy cycles; back to 3" in store.read().journal[-1].what
    assert [reconfigured.begin(config) for _ in range(5)] == [False] * 5


def test_old_ones_are_cleared_and_those_in_use_are_kept(own: Path) -> None:
    store = taken(own, 1, TEXT)
    for sequence in range(2, 10):
        store.keep(Document(sequence=sequence, files={"config.toml": b""}), f"{sequence:064x}")
    assert sorted(path.name[0] for path in store.folder.glob("*-*")) == ["1", "6", "7", "8", "9"]
