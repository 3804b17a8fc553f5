"""`record` and `read --watch` against a real plant: rows, empty cells, refusals, and how they end."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from modbus_proxy import free_port
from plc_line import device, start_plant

pytestmark = pytest.mark.sockets
DEADLINE = 30.0
EXTRA = """
  { name = "nothing", table = "holding", address = 500 },
  { name = "text", table = "holding", address = 900, type = "string[2]" },
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("record")
    with start_plant(free_port()) as plant:
        text = '[agent]\nstate = "state"\n' + device("a", plant.modbus_port).replace(
            "tags = [", "tags = [" + EXTRA
        )
        (folder / "c.toml").write_text(text, encoding="utf-8")
        yield folder


def start(folder: Path, *args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "edge_agent", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_one_row_a_tick_with_utc_times_and_empty_cells_where_bad(folder: Path) -> None:
    began = datetime.now(UTC)
    code, out, _ = ended(start(folder, "record", "c.toml", "-o", "a.csv", "--seconds", "3", "--json"))
    assert code == 0
    rows, told = rows_of(folder / "a.csv"), json.loads(out)
    assert told["rows"] == len(rows) >= 2
    assert list(rows[0])[:3] == ["time", "a.nothing", "a.text"]
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    assert all(began < at and at.utcoffset() == timedelta(0) for at in times)
    assert times == sorted(times)
    assert {row["a.nothing"] for row in rows} == {""}
    assert told["holes"] >= len(rows)
    assert all(float(row["a.flow"]) >= 0 for row in rows[-2:])


def test_a_file_that_exists_is_left_as_it_is(folder: Path) -> None:
    (folder / "there.csv").write_text("mine")
    code, _, err = ended(start(folder, "record", "c.toml", "-o", "there.csv", "--seconds", "1"))
    assert code == 1
    assert "there.csv: exists already" in err
    assert (folder / "there.csv").read_text() == "mine"


def test_a_device_that_does_not_answer_is_named(folder: Path) -> None:
    dead = (
        f'[device.dead]\ndriver = "opc-ua"\nsecurity = "none"\nurl = "opc.tcp://127.0.0.1:{free_port()}"\n'
        'timeout = "1s"\nscan = "100ms"\ntags = [{ name = "x", node = "i=2258" }]\n'
    )
    (folder / "dead.toml").write_text((folder / "c.toml").read_text() + dead)
    words = ["record", "dead.toml", "-o", "dead.csv", "--seconds", "0.3"]
    code, out, err = ended(start(folder, *words, "dead.x"))
    assert (code, out) == (1, "")
    assert "device dead: " in err
    assert err.splitlines()[-1] == "nothing recorded, no file left: no answer from device dead"
    assert not (folder / "dead.csv").exists()
    code, out, _ = ended(start(folder, *words, "dead.x", "a.speed"))
    assert code == 0
    assert out.splitlines()[1:] == ["no answer from device dead"]


def test_values_that_are_all_bad_are_told_with_their_reasons(folder: Path) -> None:
    words = ["record", "c.toml", "a.nothing", "-o", "bad.csv", "--seconds", "0.3"]
    code, _, err = ended(start(folder, *words))
    assert code == 1
    assert re.search(r"nothing recorded, no file left: every value was BAD: a\.nothing [A-Z_]+", err)
    assert not (folder / "bad.csv").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["a.sped", "-o", "new.csv"], "did you mean 'a.speed'"),
        (["-o", "nowhere/new.csv"], "nowhere/new.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_recorded_leaves_no_file(folder: Path, args: list[str], says: str) -> None:
    code, _, err = ended(start(folder, "record", "c.toml", *args))
    assert code == 1
    assert says in err
    assert not (folder / "new.csv").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_every_row_whole(folder: Path, number: signal.Signals) -> None:
    file = folder / f"{number.name}.csv"
    process = start(folder, "record", "c.toml", "a.speed", "a.flow", "-o", file.name)
    until = time.monotonic() + DEADLINE
    while not (file.exists() and len(file.read_text().splitlines()) > 2):
        assert time.monotonic() < until, "rows come into the file while it runs"
        time.sleep(0.05)
    process.send_signal(number)
    code, out, _ = ended(process)
    assert code == 0
    rows = rows_of(file)
    assert out.startswith(f"{file.name}: {len(rows)} rows")
    assert all(list(row) == ["time", "a.speed", "a.flow"] and None not in row.values() for row in rows)


def test_watching_prints_a_line_of_json_a_time_until_ctrl_c(folder: Path) -> None:
    process = start(folder, "read", "c.toml", "a.speed", "a.nothing", "--watch", "--every", "0.2", "--json")
    assert process.stdout
    seen = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    code, _, _ = ended(process)
    assert code == 0
    assert [{r["name"] for r in readings} for readings in seen] == [{"a.nothing", "a.speed"}] * 3
    last = {r["name"]: r for r in seen[-1]}
    assert last["a.speed"]["quality"] == "GOOD"
    assert (last["a.nothing"]["quality"], last["a.nothing"]["value"]) == ("BAD", None)


@pytest.mark.parametrize("how", [["--json"], []])
def test_a_reader_that_goes_ends_the_watching_quietly(folder: Path, how: list[str]) -> None:
    process = start(folder, "read", "c.toml", "a.speed", "--watch", "--every", "0.1", *how)
    assert process.stdout
    assert process.stderr
    assert all("a.speed" in process.stdout.readline() for _ in range(2))
    process.stdout.close()
    assert process.wait(DEADLINE) == 1
    assert process.stderr.read() == ""
    process.stderr.close()
