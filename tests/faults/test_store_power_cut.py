"""A power cut at any moment of installing and activating: the store is whole, no older than promised."""

import random
import shutil
from pathlib import Path

import pytest
from agent_process import small_bundle
from disk_images import Disk, record

from edge_agent import bundle
from edge_agent.bundle import BundleError
from edge_agent.bundles.store import Store, StoreError, sequence_of

WRITER = str(Path(__file__).with_name("keep_bundles.py"))
RELEASES = 8

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(200)]


def found_after(files: dict[str, bytes], live: Path, after: Path) -> int | None:
    """Return the sequence of the active bundle that a cut left, 0 for none yet, None for a broken store."""
    for path, content in files.items():
        if Path(path).suffix:
            place = after / Path(path).relative_to(live)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    store = Store(after, "pump")
    try:
        if not (store.folder / "store.json").exists():
            return 0
        active = store.read().active
        if active:
            bundle.read(store.folder / active)
        return sequence_of(active)
    except (StoreError, BundleError):
        return None
    finally:
        shutil.rmtree(after, ignore_errors=True)


@pytest.fixture
def releases(dense_tflite: bytes, tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{n}.bundle" for n in range(1, RELEASES + 1)]
    for n, path in enumerate(paths, 1):
        small_bundle(path, dense_tflite, name="pump", sequence=n)
    return list(map(str, paths))


def cuts(tmp_path: Path, after: Path, releases: list[str], syncs: str) -> tuple[int, int, int]:
    """Cut the power after every step; return images tried, those older than promised, those broken."""
    live = tmp_path / "live"
    live.mkdir()
    steps = record([WRITER, str(live), syncs, *releases], live)
    assert sum(step.kind == "promise" for step in steps) == RELEASES
    assert sum(step.kind == "rename" for step in steps) == 3 * RELEASES
    dice, disk = random.Random(1), Disk()
    images = older = broken = 0
    for step in steps:
        disk.take(step)
        for kind in ("nothing", "all", "some", "torn"):
            found = found_after(disk.after_a_cut(dice, kind), live, after / "state")
            images += 1
            broken += found is None
            older += found is not None and found < disk.promised
    return images, older, broken


def test_no_cut_breaks_the_store_or_takes_back_an_activation(
    tmp_path: Path, after: Path, releases: list[str]
) -> None:
    images, older, broken = cuts(tmp_path, after, releases, "with")
    print(f"{images} images, {older} older than promised, {broken} broken")
    assert images > 500
    assert (older, broken) == (0, 0)


def test_without_syncs_it_would_show(tmp_path: Path, after: Path, releases: list[str]) -> None:
    images, older, broken = cuts(tmp_path, after, releases, "without")
    print(f"{images} images, {older} older than promised, {broken} broken")
    assert older > 0
    assert broken > 0
