"""A manifest that cannot be obeyed is refused, with every reason at once."""

from typing import Any

import msgspec
import pytest
from dense_model import MANIFEST, OUTPUT, text

from edge_agent.core.parsing import ManifestError, parse


def test_a_manifest_survives_being_written_and_read() -> None:
    assert parse(text()) == MANIFEST


def test_an_output_without_limits_is_good() -> None:
    assert parse(text(outputs__0__limits=None)).outputs[0].limits is None


TWINS = [{"name": "same", "min": 0, "max": 1, "mean": 0, "std": 1}] * 4
PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"schema": 1}, "schema 1 is not 2: use an agent of the bundle's age"),
    ({"sequence": 0}, "sequence 0"),
    ({"inputs": []}, "inputs"),
    ({"inputs": TWINS}, "inputs"),
    ({"window": 0}, "window 0"),
    ({"window": 100_001}, "window 100001"),
    ({"period": 0}, "period 0"),
    ({"period": -1.0}, "period -1"),
    ({"max_gap": -0.1}, "max_gap -0.1"),
    ({"window": 5}, "no input tensor takes so many rows"),
    ({"window": 3}, r"window \[1, 4, 4\] has 16 elements, window x columns is 3 x 4"),
    ({"model__inputs__0__shape": [1, 4, 5]}, "has 20 elements"),
    ({"model__inputs__0__shape": [1, 9]}, "3 x 4|4 x 4"),
    ({"model__inputs__0__shape": [4, 4]}, "batch"),
    ({"model__inputs__0__shape": [1, -4, -4]}, "batch 1"),
    ({"model__inputs__0__shape": []}, "batch"),
    ({"model__inputs__0__columns": ["flow", "head", "speed"]}, "columns must name every input"),
    ({"model__inputs__0__columns": ["flow", "head", "speed", "speed"]}, "columns must name every input"),
    ({"model__inputs__0__columns": ["flow", "head", "speed", "heat"]}, "columns must name every input"),
    ({"model__inputs": []}, "model.inputs: at least one"),
    ({"model__outputs": []}, "model.outputs: at least one"),
    ({"model__outputs__0__shape": []}, "batch"),
    ({"model__outputs__0__shape": [1, 0]}, "model.outputs: answer"),
    ({"model__outputs__0__shape": [2, 1]}, "batch"),
    ({"model__outputs__0__tolerance": -1e-6}, "tolerance"),
    ({"steps__0__scale": [1, 1, 1]}, "steps"),
    ({"steps__0__offset": [1] * 5}, "steps"),
    ({"steps__0__scale": [1, 0, 1, 1]}, "steps"),
    ({"outputs": []}, "outputs: at least one"),
    ({"outputs": [msgspec.to_builtins(OUTPUT)] * 2}, "outputs: at least one, each with a name of its own"),
    ({"outputs__0__tensor": "other"}, "output wear: the model has no tensor other"),
    ({"outputs__0__element": 1}, "element 1 is outside of answer, which has 1"),
    ({"outputs__0__element": -1}, "element -1"),
    ({"outputs__0__scale": 0}, "scale must not be 0"),
    ({"outputs__0__kind": "reconstruction_error"}, "of must name an input tensor"),
    ({"outputs__0__kind": "class"}, "classes must name each of the 1 elements"),
    ({"outputs__0__kind": "forecast", "outputs__0__horizon": 1}, "of must name an input"),
    ({"outputs__0__kind": "forecast", "outputs__0__of": "head"}, "horizon 0"),
    ({"outputs__0__limits__off": 0.9}, "output wear: limits: off must not be above on"),
    ({"outputs__0__limits__on_delay": -1}, "delays"),
    ({"outputs__0__limits__off_delay": -1}, "delays"),
]


CLASSES = {
    "model__outputs__0__shape": [1, 2],
    "outputs__0__kind": "class",
    "outputs__0__classes": ["ok", "worn"],
}
PROBLEMS += [
    (CLASSES, "limits need normal"),
    ({**CLASSES, "outputs__0__normal": "good"}, "normal good is not among the classes"),
    ({**CLASSES, "outputs__0__classes": ["ok", "ok"]}, "classes must name each of the 2 elements"),
]


@pytest.mark.parametrize(("changes", "says"), PROBLEMS)
def test_each_problem_is_reported(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        parse(text(**changes))


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ManifestError) as refused:
        parse(text(sequence=0, period=0, max_gap=-1, outputs__0__limits__on_delay=-1))
    for says in ("sequence 0", "period 0", "max_gap -1", "delays"):
        assert says in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "manifest.json"),
        (b"{", "manifest.json"),
        (b"\xff\xfe", "manifest.json"),
        (b"[]", "manifest.json"),
        (text(colour="red"), "colour"),
        (text(period="1s"), "period"),
        (text(outputs__0__kind="guess"), "kind"),
        (text(period=1).replace(b'"period":1,', b'"period":1e999,'), "manifest.json"),
        (text(period=1).replace(b'"period":1,', b'"period":NaN,'), "manifest.json"),
    ],
)
def test_what_is_no_manifest_is_refused_by_key(raw: bytes, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        parse(raw)


@pytest.mark.parametrize(
    "key", ["name", "sequence", "inputs", "period", "window", "max_gap", "outputs", "model", "parts"]
)
def test_a_missing_key_is_named(key: str) -> None:
    plain = msgspec.to_builtins(MANIFEST)
    del plain[key]
    with pytest.raises(ManifestError, match=key):
        parse(msgspec.json.encode(plain))
