"""Files replaced whole: what fails leaves the old one; what root makes is the service's."""

import os
from pathlib import Path

import pytest

from edge_agent import durable


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for data in (b"one", b"two"):
        durable.replace(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(OSError, match=r"x\.json"):
        durable.replace(tmp_path / "x.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_what_root_makes_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    """The service runs as a user of its own, and has to change what an administrator installed."""
    owner = 12345 if os.geteuid() == 0 else os.getuid()
    os.chown(tmp_path, owner, -1)
    durable.folder(tmp_path / "bundles/pump")
    durable.replace(tmp_path / "bundles/pump/store.json", b"{}")
    made = [tmp_path / "bundles", tmp_path / "bundles/pump", tmp_path / "bundles/pump/store.json"]
    assert {path.stat().st_uid for path in made} == {owner}
    assert made[1].stat().st_mode & 0o777 == 0o700
