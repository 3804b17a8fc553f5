"""Replay from files, through the command: it writes what the agent would have written."""

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from agent_process import INPUTS, small_bundle
from dense_model import expected, limited
from plc_line import device, machine

from edge_agent.core.manifest import Limits
from edge_agent.core.resultblock import FIELDS, LAYOUT

pytestmark = pytest.mark.sockets
ROWS = 700


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 2000, (ROWS, 4)).round(3)


@pytest.fixture
def config(dense_tflite: bytes, tmp_path: Path) -> Path:
    small_bundle(tmp_path / "small.bundle", dense_tflite, outputs=limited(Limits(on=0.6, off=0.5)))
    path = tmp_path / "c.toml"
    path.write_text(
        '[agent]\nstate = "state"\n' + device("a", 1) + machine("alpha", "a", "a"), encoding="utf-8"
    )
    return path


def recorded(
    path: Path, values: np.ndarray, names: tuple[str, ...] = INPUTS, holes: tuple[int, ...] = ()
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *names])
        for tick, row in enumerate(values.tolist()):
            if tick not in holes:
                writer.writerow([f"{1_700_000_000 + tick * 0.1:.1f}", *row])
    return path


def replay(config: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge_agent", "replay", str(config), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def windows(values: np.ndarray) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(values / 1000.0, 4, axis=0)
    return np.moveaxis(view, -1, 1).astype(np.float32)


def test_every_row_has_the_score_alarm_and_result_block_of_its_tick(config, values, tmp_path):
    data, out = recorded(tmp_path / "h.csv", values, holes=tuple(range(300, 310))), tmp_path / "out.csv"
    done = replay(config, "--data", data, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    found, said = rows(out), json.loads(done.stdout)
    assert (said["cycles"], said["results"], said["absent"]) == (
        ROWS,
        sum(r["score"] != "" for r in found),
        [],
    )
    wanted = expected(windows(values))[:, 0]
    for tick, row in enumerate(found):
        assert int(row["tick"]) == tick
        written = json.loads(row["written"])
        assert list(written) == [f"alpha.result.{name}" for name, _, _ in FIELDS]
        assert (written["alpha.result.layout"], written["alpha.result.heartbeat"]) == (LAYOUT, tick + 1)
        # Two ticks until what was read is stale, two that the bundle holds it, then the window begins anew.
        if tick < 3 or 304 <= tick < 313:
            assert row["score"] == ""
            assert written["alpha.result.score"] is None
        elif not 300 <= tick < 304:
            assert float(row["score"]) == pytest.approx(wanted[tick - 3], abs=1e-6)
            assert row["wear.score"] == row["score"]
            assert written["alpha.result.score"] == np.float32(row["score"])
    assert {row["alarm"] for row in found} == {"0", "1"}
    assert said["alarms"] == sum(b["alarm"] > a["alarm"] for a, b in itertools.pairwise(found))


def test_asked_ahead_in_batches_or_row_by_row_is_the_same(config, values, tmp_path, monkeypatch):
    from edge_agent.config import load
    from edge_agent.replaying import foresight
    from edge_agent.replaying.replay import replay as play

    data = recorded(tmp_path / "h.csv", values, holes=tuple(range(100, 120)))
    play(load(config), data, tmp_path / "ahead.csv")

    async def look_away(*_: object) -> None:
        pass

    monkeypatch.setattr(foresight.Foresight, "look_ahead", look_away)
    play(load(config), data, tmp_path / "alone.csv")
    assert (tmp_path / "ahead.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_a_machine_that_uses_the_result_of_another_sees_it_of_the_same_tick(config, values, tmp_path):
    text = config.read_text(encoding="utf-8")
    second = machine("beta", "a", "a").replace('"a.pressure"', '"machine.alpha.wear"')
    second = second.replace("address = 400", "address = 440")
    assert second.count("machine.alpha.wear") == second.count("440") == 1
    config.write_text(text + second, encoding="utf-8")
    done = replay(config, "--data", recorded(tmp_path / "h.csv", values), "-o", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    told = rows(tmp_path / "out.csv")
    found = {name: [r for r in told if r["machine"] == name] for name in ("alpha", "beta")}
    first = np.array([float(r["score"] or "nan") for r in found["alpha"]])
    seen = np.column_stack((values[3:, :3], first[3:]))
    wanted = expected(windows(seen))[:, 0]
    assert [r["score"] != "" for r in found["beta"]] == [tick >= 6 for tick in range(ROWS)]
    said = np.array([float(r["score"]) for r in found["beta"][6:]])
    np.testing.assert_allclose(said, wanted, atol=1e-6)


def test_parquet_in_and_out_says_the_same(config, values, tmp_path):
    import pyarrow.csv
    import pyarrow.parquet

    data = recorded(tmp_path / "h.csv", values)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(data), tmp_path / "h.parquet")
    assert replay(config, "--data", data, "-o", tmp_path / "a.csv").returncode == 0
    done = replay(config, "--data", tmp_path / "h.parquet", "-o", tmp_path / "b.parquet")
    assert done.returncode == 0, done.stderr
    table = pyarrow.parquet.read_table(tmp_path / "b.parquet").to_pylist()
    said = rows(tmp_path / "a.csv")
    assert len(table) == len(said) == ROWS
    for a, b in zip(said, table, strict=True):
        assert {name: "" if value is None else str(value) for name, value in b.items()} == a


def test_columns_by_name_of_the_tag_of_the_option_and_of_the_card(config, values, tmp_path):
    plain = recorded(tmp_path / "plain.csv", values[:20])
    named = recorded(tmp_path / "named.csv", values[:20], ("a.speed", "LOAD", "Flow %", "pressure"))
    card = tmp_path / "card.toml"
    card.write_text('[[inputs]]\nname = "load"\ncolumn = "LOAD"\n', encoding="utf-8")
    options = ("--card", card, "--column", "a.flow=Flow %", "--rows-are-ticks")
    assert replay(config, "--data", plain, "--rows-are-ticks", "-o", tmp_path / "p.csv").returncode == 0
    done = replay(config, "--data", named, *options, "-o", tmp_path / "n.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "n.csv").read_bytes()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--column", "a.sped=x"), "--column a.sped: there is no such tag; did you mean 'a.speed'?"),
        (("--column", "a.speed=x"), "no column 'x' for the tag a.speed"),
        (("--time", "when"), "no column 'when'"),
        (("--machine", "alfa"), "there is no such machine; did you mean 'alpha'?"),
    ],
)
def test_what_cannot_be_played_is_one_line_and_leaves_nothing(config, values, tmp_path, options, told):
    data, out = recorded(tmp_path / "h.csv", values[:9]), tmp_path / "out.csv"
    done = replay(config, "--data", data, "-o", out, *options)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


def test_outputs_of_mode_active_are_followed_on_paper(config, values, tmp_path):
    text = config.read_text(encoding="utf-8").replace('mode = "advisory"', 'mode = "active"')
    signals = ("ok", "beat")
    tags = "".join(
        f'  {{name = "{name}", table = "holding", address = {500 + i}}},\n' for i, name in enumerate(signals)
    )
    text = text.replace("tags = [\n", "tags = [\n" + tags) + (
        '[machine.alpha.permit]\npermissive = "a.ok"\nheartbeat = "a.beat"\ncycles = 1\n'
        '[[machine.alpha.outputs]]\ndevice = "a"\nraised = 7\nnormal = 3\n'
        'tag = {name = "lamp", table = "holding", address = 600, low = 0, high = 10}\n'
    )
    config.write_text(text, encoding="utf-8")
    beats = np.column_stack([values, np.ones(ROWS), np.arange(ROWS)])
    data = recorded(tmp_path / "h.csv", beats, (*INPUTS, "a.ok", "a.beat"))
    done = replay(config, "--data", data, "-o", tmp_path / "o.csv")
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "o.csv")
    lamps = [(r["alarm"], w["a.lamp"]) for r in found if "a.lamp" in (w := json.loads(r["written"]))]
    assert set(lamps) == {("1", 7.0), ("0", 3.0)}
    assert len(lamps) >= sum(a["alarm"] != b["alarm"] for a, b in itertools.pairwise(found)) > 3


def test_a_column_that_two_machines_could_mean_is_not_guessed(config, values, tmp_path):
    text = config.read_text(encoding="utf-8")
    config.write_text(text + device("b", 2) + machine("beta", "b", "b"), encoding="utf-8")
    data, out = recorded(tmp_path / "h.csv", values[:9]), tmp_path / "out.csv"
    done = replay(config, "--data", data, "-o", out)
    assert done.returncode == 1
    assert "column 'speed' could be a.speed or b.speed" in done.stderr
    assert replay(config, "--data", data, "-o", out, "--machine", "beta").returncode == 0
    assert {row["machine"] for row in rows(out)} == {"beta"}
