"""A backtest: lead, delay, false and missed alarms by hand, and the files that it reads and writes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from converter.backtest import WEEK, Fault, Rows, backtest, episodes, intervals
from converter.backtest_files import read_faults, read_rows
from converter.errors import ConverterError

MINUTE = 60.0


def rows(alarm: str, score: float = 1.0, period: float = MINUTE) -> Rows:
    raised = np.array([mark == "#" for mark in alarm])
    return Rows(np.arange(len(alarm)) * period, np.full(len(alarm), score), raised)


def fault(start: int, end: int) -> Fault:
    return Fault(name="f", start=start * MINUTE, end=end * MINUTE)


def test_an_alarm_inside_a_fault_has_a_delay_and_a_lead_and_one_outside_is_false():
    #                      0123456789012345678
    found = backtest(rows("..##....####......."), [fault(7, 11), fault(14, 16)])
    first, second = found.found
    assert (first.delay, first.lead, first.missed) == (1 * MINUTE, 3 * MINUTE, False)
    assert second.missed
    assert math.isnan(second.lead)
    assert (found.missed, found.false_alarms) == (1, 1)
    # Eleven rows outside of faults, of which the last one lasts no time.
    assert found.healthy == 10 * MINUTE
    assert found.false_per_week == pytest.approx(WEEK / (10 * MINUTE))
    assert (found.precision, found.recall) == (4 / 6, 4 / 8)
    assert found.f1 == pytest.approx(2 * 4 / (6 + 8))
    assert (found.far, found.mar) == (2 / 11, 4 / 8)


def test_an_alarm_that_stands_when_the_fault_begins_is_neither_late_nor_false():
    found = backtest(rows("..####...."), [fault(4, 8)])
    assert (found.found[0].delay, found.found[0].lead) == (0, 4 * MINUTE)
    assert found.false_alarms == 0


def test_a_hole_in_the_recording_is_no_healthy_time_and_a_fault_outside_of_it_is_left_out():
    at = np.concatenate([np.arange(10.0), 1e6 + np.arange(10.0)])
    found = backtest(Rows(at, np.zeros(20), np.zeros(20, np.bool_)), [Fault(name="x", start=500, end=600)])
    assert found.healthy == 18 + 2.5
    assert found.found == []
    assert math.isnan(found.precision)
    assert math.isnan(found.mar)
    assert found.far == 0


@given(st.lists(st.booleans(), min_size=1), st.lists(st.booleans(), min_size=1))
def test_rows_are_counted_as_a_table_of_two_by_two_would(alarm: list[bool], label: list[bool]):
    n = min(len(alarm), len(label))
    said, truth = np.array(alarm[:n]), np.array(label[:n])
    at = np.arange(n, dtype=np.float64)
    found = backtest(Rows(at, np.zeros(n), said), intervals(at, truth))
    tp, fp, fn = (said & truth).sum(), (said & ~truth).sum(), (~said & truth).sum()
    either = 2 * tp + fp + fn
    assert found.f1 == pytest.approx(2 * tp / either) if either else math.isnan(found.f1)
    assert len(found.found) == len(episodes(truth))
    assert found.missed + found.false_alarms <= len(episodes(truth)) + len(episodes(said))
    assert sum(b - a for a, b in episodes(said)) == said.sum()


HEAD = "time,machine,score,alarm,wear.score,wear.alarm\n"
SAID = HEAD + "".join(
    f"2026-11-23T00:{m:02}:00Z,press,{'' if m == 3 else m / 10},{int(m > 5)},{m},0\n" for m in range(10)
)


def test_the_command_writes_one_page_that_needs_nothing_else(tmp_path: Path):
    (tmp_path / "rows.csv").write_text(SAID, encoding="utf-8")
    (tmp_path / "faults.csv").write_text(
        "start,end,name\n2026-11-23 00:05:00,2026-11-23 00:08:00,<bearing>\n", encoding="utf-8"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "converter.cli",
            "backtest",
            "rows.csv",
            "--labels",
            "faults.csv",
            "-o",
            "r.html",
            "--json",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["found"][0]["delay"] == 60
    assert found["found"][0]["lead"] == 120
    assert found["without_result"] == 1
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "&lt;bearing&gt;" in page
    assert page.count("<svg") == 1
    assert not [word for word in ("http://", "https://", "<script", "<link", "@import") if word in page]


def test_faults_in_three_forms_are_the_same(tmp_path: Path):
    def faults(text: str, **options: object) -> list[tuple[float, float]]:
        path = tmp_path / "f.csv"
        path.write_text(text, encoding="utf-8")
        return [(f.start, f.end) for f in read_faults(path, **options)]  # type: ignore[arg-type]

    told = faults("start,end\n120,240\n")
    assert told == [(120, 240)]
    assert faults("time\n240\n", horizon=120.0) == told
    assert faults("datetime;x\n60;0\n120;1\n180;1\n240;1\n300;0\n", column="x") == told


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("time\n240\n", {}, "--horizon"),
        ("a,b\n1,2\n", {}, "start and end"),
        ("start,end\n5,4\n", {}, "ends before it starts"),
        ("start,end\nsoon,4\n", {}, "'soon' is not a time"),
        ("time,x\n1,one\n", {"column": "x"}, "'one' is not a number"),
        ("time,label\n1,1\n", {"column": "lable"}, "did you mean 'label'"),
    ],
)
def test_faults_that_cannot_be_read_say_why(tmp_path: Path, text: str, options: dict, told: str):
    (tmp_path / "f.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConverterError, match=told):
        read_faults(tmp_path / "f.csv", **options)


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        (HEAD, {}, "no rows"),
        (SAID + "2026-11-24,fan,1,0,1,0\n", {}, "several machines, press, fan"),
        (SAID, {"machine": "pres"}, "did you mean 'press'"),
        (SAID, {"output": "waer"}, "did you mean 'wear'"),
        ("time,score\n1,2\n", {}, "no column 'machine'"),
        (SAID + "2026-11-22,press,1,0,1,0\n", {}, "order of their time"),
    ],
)
def test_rows_that_cannot_be_read_say_why(tmp_path: Path, text: str, names: dict, told: str):
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConverterError, match=told):
        read_rows(tmp_path / "r.csv", **names)


def test_the_score_of_an_output_is_read_by_its_name(tmp_path: Path):
    (tmp_path / "r.csv").write_text(SAID, encoding="utf-8")
    assert read_rows(tmp_path / "r.csv", output="wear").score.tolist() == list(range(10))
    assert math.isnan(read_rows(tmp_path / "r.csv", "press").score[3])
