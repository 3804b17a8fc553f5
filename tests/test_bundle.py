"""The bundle file: whole or refused, and never half written."""

import hashlib
import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import dense_model
import numpy as np
import pytest
from dense_model import known

from edge_agent import bundle
from edge_agent.bundle import BundleError, Known

WINDOWS = dense_model.known_windows()
ANSWERS = np.full((3, 1), 0.5, np.float32)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.bundle"
    bundle.write(path, dense_model.MANIFEST, b"not a model, but 24 bytes", known(WINDOWS, ANSWERS))
    return path


def reseal(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a file whose seal fits, with members that nobody promised."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, part in members.items():
            archive.writestr(name, part)
        archive.comment = b"0" * 64
    sealed(path, buffer.getvalue()[:-64])


def sealed(path: Path, data: bytes) -> None:
    path.write_bytes(data + hashlib.sha256(data).hexdigest().encode())


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_is_written_is_what_is_read(dense_bundle: Path, dense_tflite: bytes) -> None:
    found = bundle.read(dense_bundle)
    assert found.model == dense_tflite
    np.testing.assert_array_equal(found.known.inputs, WINDOWS)
    expected = dense_model.expected(dense_model.standardised(WINDOWS)).astype(np.float32)
    np.testing.assert_array_equal(found.known.outputs, expected)
    np.testing.assert_array_equal(found.known.originals, expected)
    assert found.manifest == dense_model.manifest(parts=found.manifest.parts)
    assert set(found.manifest.parts) == set(bundle.PARTS)


def test_the_seal_is_what_sha256sum_says_of_all_before_it(small: Path) -> None:
    data = small.read_bytes()
    digest = subprocess.run(["sha256sum"], input=data[:-64], capture_output=True, check=True).stdout[:64]
    assert data[-64:] == digest
    found = bundle.read(small)
    assert found.sha256 == digest.decode()
    assert found.short_id == int.from_bytes(bytes.fromhex(found.sha256)[:4], "big")


def test_any_unzip_opens_it(small: Path) -> None:
    subprocess.run([sys.executable, "-m", "zipfile", "-t", str(small)], capture_output=True, check=True)
    assert set(members(small)) == {"manifest.json", *bundle.PARTS}


def test_the_same_content_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.bundle"
    turned = WINDOWS.astype(">f8").copy(order="F")
    bundle.write(other, dense_model.MANIFEST, b"not a model, but 24 bytes", Known(turned, ANSWERS, ANSWERS))
    assert other.read_bytes() == small.read_bytes()


def test_every_truncation_is_refused_by_name(small: Path) -> None:
    data = small.read_bytes()
    for length in range(len(data)):
        small.write_bytes(data[:length])
        with pytest.raises(BundleError, match=r"small\.bundle"):
            bundle.read(small)


def test_every_flipped_bit_is_refused_by_name(small: Path) -> None:
    data = bytearray(small.read_bytes())
    assert len(data) < 20_000
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        small.write_bytes(data)
        with pytest.raises(BundleError, match=r"small\.bundle"):
            bundle.read(small)
        data[bit // 8] ^= 1 << bit % 8


def test_a_byte_more_is_refused(small: Path) -> None:
    for data in (small.read_bytes() + b"\0", b"\0" + small.read_bytes()):
        small.write_bytes(data)
        with pytest.raises(BundleError, match="SHA-256"):
            bundle.read(small)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_archive_with_a_fitting_seal_is_refused_or_the_same(small: Path, seed: int) -> None:
    """The seal proves no intent: what it covers may still be anything."""
    dice, data, good = random.Random(seed), small.read_bytes()[:-64], bundle.read(small)
    for _ in range(500):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        sealed(small, bytes(changed))
        try:
            found = bundle.read(small)
        except BundleError:
            continue
        assert (found.model, found.manifest) == (good.model, good.manifest)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: m.pop("manifest.json"), id="no manifest"),
        pytest.param(lambda m: m.pop(bundle.MODEL), id="no model"),
        pytest.param(lambda m: m.update({"extra": b"x"}), id="a part too many"),
        pytest.param(lambda m: m.update({bundle.MODEL: b"another"}), id="another model"),
        pytest.param(lambda m: m.update({bundle.KNOWN_INPUTS: b""}), id="an empty part"),
        pytest.param(lambda m: m.update({"manifest.json": b"{}"}), id="an empty manifest"),
    ],
)
def test_other_parts_than_promised_are_refused(
    small: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    parts = members(small)
    change(parts)
    reseal(small, parts)
    with pytest.raises(BundleError, match=r"small\.bundle"):
        bundle.read(small)


def test_a_compressed_member_is_refused_before_it_unfolds(small: Path) -> None:
    reseal(small, members(small) | {bundle.MODEL: bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BundleError, match="stored"):
        bundle.read(small)


@pytest.mark.parametrize(
    ("windows", "answers", "says"),
    [
        (WINDOWS[:0], ANSWERS[:0], "known_inputs"),
        (WINDOWS[:, :3], ANSWERS, "known_inputs"),
        (WINDOWS[0], ANSWERS, "known_inputs"),
        (WINDOWS, ANSWERS[:2], "known_outputs"),
        (WINDOWS, np.zeros((3, 2), np.float32), "known_outputs"),
        (np.where(WINDOWS > 0, np.nan, WINDOWS), ANSWERS, "infinity"),
        (WINDOWS, np.full((3, 1), np.inf, np.float32), "infinity"),
    ],
)
def test_known_answers_that_prove_nothing_are_refused(
    tmp_path: Path, windows: bundle.Floats32, answers: bundle.Floats32, says: str
) -> None:
    path = tmp_path / "a.bundle"
    bundle.write(path, dense_model.MANIFEST, b"", known(windows, answers))
    with pytest.raises(BundleError, match=says):
        bundle.read(path)


def test_an_object_array_is_never_unpickled(small: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)
    parts = members(small)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest().encode()
    old = hashlib.sha256(parts[bundle.KNOWN_INPUTS]).hexdigest().encode()
    parts[bundle.KNOWN_INPUTS] = buffer.getvalue()
    parts["manifest.json"] = parts["manifest.json"].replace(old, digest)
    reseal(small, parts)
    with pytest.raises(BundleError, match="allow_pickle"):
        bundle.read(small)


@pytest.mark.parametrize("what", ["missing", "a folder"])
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, what: str) -> None:
    path = tmp_path / "absent.bundle"
    if what == "a folder":
        path.mkdir()
    with pytest.raises(BundleError, match=r"absent\.bundle"):
        bundle.read(path)


def test_what_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.bundle"
    with path.open("wb") as file:
        file.truncate(bundle.LARGEST + 1)
    with pytest.raises(BundleError, match="larger"):
        bundle.read(path)


def write_large(path: Path) -> None:
    bundle.write(path, dense_model.MANIFEST, bytes(100_000), known(WINDOWS, ANSWERS))


def test_a_disk_that_is_full_leaves_the_old_file_whole(small: Path) -> None:
    before = small.read_bytes()
    small.with_name(f".{small.name}.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        write_large(small)
    assert small.read_bytes() == before
    assert list(small.parent.iterdir()) == [small]


def test_a_new_name_that_cannot_be_made_leaves_the_old_file_whole(small: Path) -> None:
    before = small.read_bytes()
    small.with_name(f".{small.name}.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_large(small)
    assert small.read_bytes() == before


def test_a_process_killed_while_it_writes_leaves_the_old_file_whole(small: Path) -> None:
    """The size limit kills the writer in the middle of the new file, as a power cut would."""
    before = small.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path; import test_bundle\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "test_bundle.write_large(Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code, str(small)], env=environment, check=False)
    assert ended.returncode < 0
    assert small.read_bytes() == before
    write_large(small)
    assert len(bundle.read(small).model) == 100_000
    assert list(small.parent.iterdir()) == [small]
