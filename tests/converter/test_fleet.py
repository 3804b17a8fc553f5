"""A directory of models: which are found; each is converted on its own, whatever becomes of the others."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from sources import ROOT

from converter import CardError, ConverterError, card_file, directory
from converter.cli import main
from edge_agent import bundle


@pytest.fixture
def few(pumps: Path, tmp_path: Path, small_card: Path) -> Path:
    """Three of them with cards, one without, and two that cannot be converted."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(4):
        (folder / f"pump{number:03}.keras").symlink_to(pumps / f"pump{number:03}.keras")
    for number in range(3):
        (folder / f"pump{number:03}.csv").symlink_to(pumps / f"pump{number:03}.csv")
        (folder / f"pump{number:03}.toml").write_text(small_card.read_text())
    header, *rows = (pumps / "pump003.csv").read_text().splitlines()
    timed = [f"time,{header}", *(f"{second},{row}" for second, row in enumerate(rows))]
    (folder / "pump003.csv").write_text("\n".join(timed))
    shutil.copy(pumps / "pump000.keras", folder / "lonely.keras")
    (folder / "broken.h5").write_text("no model at all")
    (folder / "broken.csv").symlink_to(pumps / "pump000.csv")
    (folder / "broken.toml").write_text(small_card.read_text())
    return folder


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


def test_models_are_found_with_the_card_and_the_data_of_their_name(tmp_path: Path, small_card: Path) -> None:
    models = files(
        tmp_path / "models",
        "a.keras", "a.toml", "a.csv", "b.h5", "b.npy", "c/saved_model.pb", "d.json", "d.weights.h5",
        "e.weights.h5", "f.json", "notes.txt", "g/readme.md",
    )  # fmt: skip
    found = {item.name: item for item in directory.find(models, tmp_path / "all.csv", None)}
    assert list(found) == ["a", "b", "c", "d"]
    assert (found["a"].card, found["a"].data) == (models / "a.toml", models / "a.csv")
    assert (found["b"].card, found["b"].data) == (None, models / "b.npy")
    assert (found["c"].model, found["c"].data) == (models / "c", tmp_path / "all.csv")
    assert found["d"].weights == str(models / "d.weights.h5")
    assert directory.find(models, None, None)[2].data is None
    common = {item.name: item.card for item in directory.find(models, None, small_card)}
    assert common["a"] == models / "a.toml"
    assert common["b"].name == "b"


def test_a_directory_that_cannot_be_understood_is_told_at_once(tmp_path: Path, small_card: Path) -> None:
    models = files(tmp_path / "models", "a.keras", "a.h5")
    with pytest.raises(ConverterError, match=r"a\.keras: a\.h5 has the same name; rename one"):
        directory.find(models, None, None)
    with pytest.raises(ConverterError, match="not a model, and holds none"):
        directory.find(files(tmp_path / "empty", "notes.txt"), None, None)
    small_card.write_text("name = 3")
    with pytest.raises(CardError):
        directory.find(models, None, small_card)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--html", "x.html"], "--html and --weights are for a single model"),
        (["--weights", "x.h5"], "--html and --weights are for a single model"),
    ],
)
def test_what_is_for_one_model_is_refused_for_many(tmp_path: Path, options: list[str], told: str) -> None:
    models = files(tmp_path / "models", "a.keras")
    done = CliRunner().invoke(main, ["convert", str(models), "-o", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert told in done.stderr


def test_what_is_for_many_models_is_refused_for_one(tmp_path: Path) -> None:
    command = ["convert", str(tmp_path / "a.keras"), "-o", str(tmp_path / "a.bundle")]
    for options, told in (
        ([], "--data is needed"),
        (["--jobs", "2"], "for a directory of models"),
        (["--dask", "local"], "for a directory of models"),
    ):
        done = CliRunner().invoke(main, [*command, *options])
        assert done.exit_code == 2
        assert told in done.stderr


def test_those_that_fail_stop_no_other_and_are_told_at_the_end(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys\nfrom converter.cli import main\n"
        "if __name__ == '__main__':\n"
        "    try: main(sys.argv[1:])\n"
        # Not getrusage: its peak counts from before exec, when this was still a copy of the test's process.
        "    finally: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    (tmp_path / "run.py").write_text(code)
    done = subprocess.run(
        [
            sys.executable, str(tmp_path / "run.py"), "convert", str(few),
            "--recipe", "float32", "--jobs", "2", "-o", str(out), "--json",
        ],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    told = {outcome["name"]: outcome for outcome in json.loads(done.stdout)}
    good = [f"pump{number:03}" for number in range(4)]
    assert list(told) == ["broken", "lonely", *good]
    assert "broken.h5: not a model" in told["broken"]["problem"]
    assert "no lonely.csv or .npy beside it" in told["lonely"]["problem"]
    for name in good:
        made = bundle.read(out / f"{name}.bundle")
        assert made.manifest.name == ("pump003" if name == "pump003" else "small")
        assert (told[name]["sha256"], told[name]["problem"]) == (made.sha256, "")
    assert len({told[name]["sha256"] for name in good}) == len(good)
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"{name}.bundle" for name in good),
        "pump003.toml",
    ]
    assert told["pump003"]["card"] == (out / "pump003.toml").read_text()
    assert card_file.load(out / "pump003.toml").period == 1
    assert (
        int(done.stderr.splitlines()[-1]) < 150_000
    )  # kilobytes: the parent holds no data and no TensorFlow


def test_an_interrupt_ends_every_process_and_leaves_only_whole_bundles(few: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "converter.cli", "convert", str(few),
            "--recipe", "float32", "--jobs", "2", "-o", str(out),
        ],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        family = _at_work(process.pid)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in told
    psutil.wait_procs(family, timeout=5)
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not list((tmp_path / "tmp").iterdir())
    for path in out.glob("*.bundle*"):
        bundle.read(path)


def _at_work(pid: int) -> list[psutil.Process]:
    """Wait until a fork of TensorFlow works; return all processes that `pid` has started by then."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        family = psutil.Process(pid).children(recursive=True)
        servers = [p.pid for p in family if "converter.child" in p.cmdline()]
        if any(p.ppid() in servers for p in family):
            return family
        time.sleep(0.05)
    raise AssertionError("no conversion within 120 s")
