"""Disks that are really full: one line that says which and what to do, and nothing is left on them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sources import ROOT

FULL = (
    r"cannot be written: No space left on device; "
    r"make room there, or "
)


def convert(model: Path, data: Path, card: Path, out: Path, temporary: Path) -> str:
    """Convert in a process of its own, which must fail, and return what it said."""
    done = subprocess.run(
        [
            sys.executable, "-m", "converter.cli", "convert", str(model), "--data", str(data),
            "--card", str(card), "--recipe", "float32", "-o", str(out),
        ],
        env={**os.environ, "TMPDIR": str(temporary)}, cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert not list(temporary.iterdir())
    return done.stderr.strip()


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_a_full_disk_under_the_bundle(
    odd_models: Path, small_card: Path, few_rows: Path, temporary: Path, tmp_path: Path
) -> None:
    """/dev/full fails every write as a full disk does, and the bundle is first written beside its place."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.x.bundle.new").symlink_to("/dev/full")
    out = tmp_path / "out/x.bundle"
    told = convert(odd_models / "two.keras", few_rows, small_card, out, temporary)
    assert re.fullmatch(re.escape(str(out)) + ": " + FULL + "choose another -o", told), told
    assert not list((tmp_path / "out").iterdir())


def test_an_array_that_does_not_fit_is_an_error_and_not_a_file_cut_off(tmp_path: Path) -> None:
    code = (
        "import resource, sys, numpy; from pathlib import Path; from converter import process\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "process.save(Path(sys.argv[1]), numpy.zeros(600, numpy.float32))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.npy")],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert "OSError: [Errno 27] File too large" in done.stderr
