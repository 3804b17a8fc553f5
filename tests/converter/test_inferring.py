"""What a card is inferred from, without TensorFlow: the columns of a file, and the ends of a model."""

import json
import math
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import ConverterError, card_file, card_text, recorded
from converter.inferring import Inferred, infer
from converter.job import Facts
from converter.recorded import Recorded
from edge_agent.core.manifest import InputTensor, Tensor


def ends(takes: list[int], answers: list[int], maker: str = "FULLY_CONNECTED") -> Facts:
    return Facts(
        inputs=[InputTensor(name="x", shape=[1, *takes], columns=[])],
        outputs=[Tensor(name="y", shape=[1, *answers])],
        makers=[maker],
    )


def history(folder: Path, header: str, *, rows: int = 40, step: float = 0.1) -> Path:
    """A file whose first column is the time as ISO 8601, all others being numbers."""
    path, start = folder / "history.csv", datetime(2026, 3, 1, tzinfo=UTC)
    width = header.count(",")
    lines = [header]
    for row in range(rows):
        at = (start + timedelta(seconds=row * step)).isoformat()
        lines.append(",".join([at, *(f"{math.sin(row + column):.3f}" for column in range(width))]))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def inferred(folder: Path, header: str, facts: Facts) -> Inferred:
    return infer("pump", recorded.look(history(folder, header)), facts)


def test_time_and_target_are_left_out_and_the_rest_are_the_inputs_in_their_order(tmp_path: Path) -> None:
    found = inferred(tmp_path, "time,b,label,a", ends([10, 2], [1], "LOGISTIC"))
    assert [i.name for i in found.card.inputs] == ["b", "a"]
    assert (found.card.window, found.card.period) == (10, 0.1)
    assert (found.card.outputs[0].name, found.card.outputs[0].kind) == ("label", "probability")
    assert "'time'" in found.why["inputs"]
    assert "'label' (the target)" in found.why["inputs"]


@pytest.mark.parametrize(
    ("header", "takes", "window", "inputs", "target"),
    [
        ("at,a,b,c", [3], 1, "abc", ""),
        ("at,a,b,c", [5, 3], 5, "abc", ""),
        ("at,a,b,c", [5, 3, 1], 5, "abc", ""),
        ("at,a,b,c", [5, 2], 5, "ab", "c"),
        ("at,a,b,c", [2], 1, "ab", "c"),
        ("at,a,y,c", [8], 4, "ac", "y"),
        ("at,a,b,y", [3], 1, ["a", "b", "y"], ""),
        ("at,a,b,c,d", [5, 4, 1], 5, "abcd", ""),
        ("at,a", [5, 1], 5, "a", ""),
    ],
)
def test_columns_and_shape_tell_window_and_inputs(
    tmp_path: Path, header: str, takes: list[int], window: int, inputs: str | list[str], target: str
) -> None:
    found = inferred(tmp_path, header, ends(takes, [1]))
    assert found.card.window == window
    assert [i.name for i in found.card.inputs] == list(inputs)
    assert found.card.outputs[0].name == (target or "value")


@pytest.mark.parametrize(
    ("answers", "maker", "kind"),
    [
        ([1], "LOGISTIC", "probability"),
        ([1], "TANH", "value"),
        ([1, 1], "FULLY_CONNECTED", "value"),
        ([4], "SOFTMAX", "class"),
        ([2], "SOFTMAX", "class"),
        ([5, 3], "FULLY_CONNECTED", "reconstruction_error"),
        ([5, 3], "LOGISTIC", "reconstruction_error"),
    ],
)
def test_shape_and_last_operator_tell_the_kind_of_the_output(
    tmp_path: Path, answers: list[int], maker: str, kind: str
) -> None:
    [output] = inferred(tmp_path, "at,a,b,c", ends([5, 3], answers, maker)).card.outputs
    assert output.kind == output.name == kind
    assert output.classes == ([str(n) for n in range(answers[0])] if kind == "class" else [])


@pytest.mark.parametrize(
    ("header", "takes", "answers", "told", "key"),
    [
        ("at,a,b,c", [7], [1], r"3 columns \(a, b, c\) do not explain the model's input \[7\]", "[[inputs]]"),
        ("at,a,b,c", [5, 9], [1], "do not explain", "window"),
        ("at,a,b,c", [6], [1], "do not explain", "window"),  # two rows of three, or three rows of two
        ("at,run,a,b", [2], [1], "do not explain", "[[inputs]]"),  # `run` is no input, and b no target
        ("at,a,label,y", [2], [1], "do not explain", "[[inputs]]"),
        ("at,a,b,c", [3], [2], r"answers \[2\]", "[[outputs]]"),
        ("at,a,b,c", [3], [2], r"answers \[2\]", "element"),
        ("when,a,b,c", [4], [1], "period", 'period = "1s"'),
    ],
)
def test_what_is_unclear_is_an_error_that_says_what_a_card_must_tell(
    tmp_path: Path, header: str, takes: list[int], answers: list[int], told: str, key: str
) -> None:
    path = history(tmp_path, header)
    if header.startswith("when"):
        path.write_text("when,a,b,c\n1,2,3,4\n3,4,5,6\n", encoding="utf-8")
    with pytest.raises(ConverterError, match=told) as caught:
        infer("pump", recorded.look(path), ends(takes, answers))
    assert key in str(caught.value)
    assert "write a card that gives" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_inputs_or_outputs_take_a_card_that_names_them(tmp_path: Path) -> None:
    one = ends([3], [1])
    facts = Facts(
        inputs=one.inputs, outputs=[*one.outputs, Tensor(name="wear", shape=[1, 1])], makers=["", ""]
    )
    with pytest.raises(ConverterError, match=r"1 inputs and 2 outputs \(x \[3\]; y \[1\]; wear \[1\]\)"):
        inferred(tmp_path, "at,a,b,c", facts)


@pytest.mark.parametrize(
    ("name", "cells", "period"),
    [
        ("time", ["0", "0.5", "1"], 0.5),
        ("timestamp", ["1767225600", "1767225601", "1767225602"], 1.0),
        ("timestamp", ["1767225600000", "1767225600250", "1767225600500"], 0.25),
        ("time_ms", ["0", "20", "40"], 0.02),
        ("t [us]", ["0", "50", "100"], 5e-5),
        ("whatever", ["2026-01-01 00:00:00", "2026-01-01 00:00:10", "2026-01-01 00:00:20"], 10.0),
        ("whatever", ["2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T01:00:00Z"], 1800.0),
    ],
)
def test_the_period_is_the_median_step_of_the_time(
    tmp_path: Path, name: str, cells: list[str], period: float
) -> None:
    path = tmp_path / "history.csv"
    path.write_text("\n".join([f"{name},a", *(f"{cell},{i}.5" for i, cell in enumerate(cells))]))
    found = recorded.look(path)
    assert found.time == name
    assert found.numbers == ["a"]
    assert infer("pump", found, ends([1], [1])).card.period == pytest.approx(period)


def test_a_column_that_is_called_time_and_runs_backwards_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("time,a,note\n3,1,ok\n2,,\n1,5,worn\n")
    found = recorded.look(path)
    assert (found.time, found.numbers, found.texts) == ("", ["time", "a"], ["note"])


def test_steps_that_are_too_long_for_one_window_are_told(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("time,a\n" + "".join(f"{i + (i > 20) * 60},{i}\n" for i in range(41)))
    found = infer("pump", recorded.look(path), ends([1], [1]))
    assert "2.5% of the steps are longer: see group and max_gap" in found.why["period"]


def test_a_table_without_a_header_takes_a_card(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="no header to infer a card from; give a card"):
        recorded.look(tmp_path / "data.npy")


NAMES = st.text(min_size=1, max_size=12).filter(lambda name: max(name) < "\ud800" or max(name) > "\udfff")


@given(
    name=NAMES.filter(lambda name: "/" not in name),
    columns=st.lists(NAMES, min_size=1, max_size=4, unique=True),
)
def test_the_text_is_the_card_whatever_the_names(
    name: str, columns: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    seen = Recorded(numbers=columns, texts=[], time="at", seconds=np.arange(5) * 0.1)
    found = infer(name, seen, ends([6, len(columns)], [3], "SOFTMAX"))
    text = card_text.write(found, json.dumps(name))
    read = tomllib.loads(text)
    assert read["name"] == name
    assert [i["name"] for i in read["inputs"]] == columns
    path = tmp_path_factory.mktemp("card") / "card.toml"
    path.write_text(text, encoding="utf-8")
    assert card_file.load(path) == found.card
