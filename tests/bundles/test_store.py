"""The store: versions stay as they are, the record is changed whole, sequences do not go back silently."""

import fcntl
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import keep, release

from edge_agent.bundles import store as stores
from edge_agent.bundles.record import LONGEST_JOURNAL, STARTS, Record
from edge_agent.bundles.store import Store, StoreError


@pytest.fixture(scope="module")
def released(dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("releases")
    return {n: release(folder, dense_tflite, n) for n in range(1, 10)}


def test_a_version_is_kept_byte_for_byte(released: dict[int, Path], tmp_path: Path) -> None:
    file = keep(tmp_path, released[3])
    assert (tmp_path / "bundles/pump" / file).read_bytes() == released[3].read_bytes()
    assert Store(tmp_path, "pump").versions() == {3: file}
    assert keep(tmp_path, released[3]) == file


def test_a_sequence_is_taken_once(released: dict[int, Path], dense_tflite: bytes, tmp_path: Path) -> None:
    keep(tmp_path, released[3])
    other = release(tmp_path, dense_tflite, 3, version="other")
    with pytest.raises(StoreError, match="sequence 3 is there with other content"):
        keep(tmp_path, other)


def test_an_older_sequence_of_the_same_key_needs_to_be_asked_for(
    released: dict[int, Path], tmp_path: Path
) -> None:
    keep(tmp_path, released[5], signer="works")
    with pytest.raises(StoreError, match="sequence 4 is older than 5"):
        keep(tmp_path, released[4], signer="works")
    keep(tmp_path, released[4], signer="works", downgrade=True)
    # A key that ran ahead does not lock out the others.
    keep(tmp_path, released[2], signer="plant")
    record = Store(tmp_path, "pump").read()
    assert record.highest == {"works": 5, "plant": 2}
    assert record.active == ""


def test_old_versions_go_but_not_those_in_use(released: dict[int, Path], tmp_path: Path) -> None:
    store = Store(tmp_path, "pump")
    first = keep(tmp_path, released[1])
    second = keep(tmp_path, released[2])
    with store.changing() as record:
        record.activate(first)
        record.activate(second)
    for n in range(3, 10):
        keep(tmp_path, released[n])
    assert list(store.versions()) == [1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", ".hidden", "x" * 65, "a b", "a\n"])
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no name for a bundle"):
        Store(tmp_path, name)


def test_a_change_that_fails_changes_nothing(released: dict[int, Path], tmp_path: Path) -> None:
    file = keep(tmp_path, released[1])
    store = Store(tmp_path, "pump")

    def fail() -> None:
        with store.changing() as record:
            record.activate(file)
            raise StoreError("no")

    before = (store.folder / "store.json").read_bytes()
    with pytest.raises(StoreError, match="no"):
        fail()
    assert (store.folder / "store.json").read_bytes() == before


def test_a_damaged_record_is_told_and_left_alone(released: dict[int, Path], tmp_path: Path) -> None:
    keep(tmp_path, released[1])
    record = tmp_path / "bundles/pump/store.json"
    record.write_bytes(record.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"store\.json: damaged .* install again"):
        Store(tmp_path, "pump").read()
    with pytest.raises(StoreError, match="damaged"):
        keep(tmp_path, released[2])


def test_two_processes_do_not_change_it_at_once(
    released: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, released[1])
    monkeypatch.setattr(stores, "LOCK_DEADLINE", 0.0)
    opened = os.open(tmp_path / "bundles/pump", os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another process"):
            keep(tmp_path, released[2])
    finally:
        os.close(opened)
    keep(tmp_path, released[2])


def test_the_journal_is_bounded_and_its_numbers_go_on() -> None:
    record = Record()
    for n in range(LONGEST_JOURNAL + 50):
        record.tell("me", str(n))
    assert len(record.journal) == LONGEST_JOURNAL
    assert record.journal[-1].number == LONGEST_JOURNAL + 50


def test_a_version_has_three_starts_until_it_is_committed() -> None:
    record = Record()
    record.activate("b")
    assert [record.begin() for _ in range(STARTS + 1)] == [True] * STARTS + [False]
    record.attempts, record.committed = 0, True
    assert all(record.begin() for _ in range(10))


@given(st.lists(st.sampled_from(["a", "b", "c", "back", "start"]), max_size=30))
def test_whatever_happens_the_active_version_was_activated_and_none_is_both(moves: list[str]) -> None:
    record, activated = Record(), {""}
    for move in moves:
        if move == "back":
            record.roll_back()
            assert record.previous == ""
        elif move == "start":
            record.begin()
        elif record.active != move:
            record.activate(move)
            activated.add(move)
            assert not record.committed
        assert {record.active, record.previous} <= activated
        assert not record.active or record.active != record.previous


def test_the_record_is_plain_json(released: dict[int, Path], tmp_path: Path) -> None:
    keep(tmp_path, released[1], signer="works")
    told = json.loads((tmp_path / "bundles/pump/store.json").read_text())
    assert told["highest"] == {"works": 1}
    assert told["journal"][0]["what"] == "installed 1, signed by works"
