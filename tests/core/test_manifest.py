"""A manifest that cannot be obeyed is refused, with every reason at once."""

from typing import Any

import msgspec
import pytest
from dense_model import MANIFEST

from edge_agent.core.manifest import ManifestError, parse


def text(**changes: Any) -> bytes:
    plain = msgspec.to_builtins(MANIFEST)
    for path, value in changes.items():
        *parents, key = path.split("__")
        place = plain
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        place[key] = value
    return msgspec.json.encode(plain)


def test_a_manifest_survives_being_written_and_read() -> None:
    assert parse(text()) == MANIFEST


def test_a_manifest_without_limits_is_good() -> None:
    assert parse(text(limits=None)).limits is None


TWINS = [{"name": "same", "min": 0, "max": 1, "mean": 0, "std": 1}] * 4
PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"schema": 2}, "schema 2"),
    ({"inputs": []}, "inputs"),
    ({"inputs": TWINS}, "inputs"),
    ({"window": 0}, "window 0"),
    ({"window": 100_001}, "window 100001"),
    ({"period": 0}, "period 0"),
    ({"period": -1.0}, "period -1"),
    ({"max_gap": -0.1}, "max_gap -0.1"),
    ({"window": 5}, "5 x 4"),
    ({"model__input_shape": [1, 4, 5]}, r"\[1, 4, 5\]"),
    ({"model__input_shape": [4, 4]}, "batch"),
    ({"model__input_shape": [1, -4, -4]}, "input_shape"),
    ({"model__input_shape": []}, "input_shape"),
    ({"model__output_shape": []}, "output_shape"),
    ({"model__output_shape": [1, 0]}, "output_shape"),
    ({"model__output_shape": [2, 1]}, "batch"),
    ({"model__tolerance": -1e-6}, "tolerance"),
    ({"steps__0__scale": [1, 1, 1]}, "steps"),
    ({"steps__0__offset": [1] * 5}, "steps"),
    ({"steps__0__scale": [1, 0, 1, 1]}, "steps"),
    ({"output__kind": "reconstruction_error"}, "as many outputs"),
    ({"limits__off": 0.9}, "off must not be above on"),
    ({"limits__on_delay": -1}, "delays"),
    ({"limits__off_delay": -1}, "delays"),
]


@pytest.mark.parametrize(("changes", "says"), PROBLEMS)
def test_each_problem_is_reported(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        parse(text(**changes))


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ManifestError) as refused:
        parse(text(schema=9, period=0, max_gap=-1, limits__on_delay=-1))
    for says in ("schema 9", "period 0", "max_gap -1", "delays"):
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
        (text(output__kind="guess"), "kind"),
        (text(period=1).replace(b'"period":1,', b'"period":1e999,'), "manifest.json"),
        (text(period=1).replace(b'"period":1,', b'"period":NaN,'), "manifest.json"),
    ],
)
def test_what_is_no_manifest_is_refused_by_key(raw: bytes, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        parse(raw)


@pytest.mark.parametrize(
    "key", ["name", "inputs", "period", "window", "max_gap", "output", "limits", "model", "parts"]
)
def test_a_missing_key_is_named(key: str) -> None:
    plain = msgspec.to_builtins(MANIFEST)
    del plain[key]
    with pytest.raises(ManifestError, match=key):
        parse(msgspec.json.encode(plain))
