"""The payloads as a decoder reads them that nobody here wrote: Eclipse Tahu's for JavaScript."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import npm_peer
from broker import config_of

from edge_agent.north.mqtt.node import REBIRTH, Message, Node
from edge_agent.north.results import Result


def decoded(messages: list[Message]) -> list[dict[str, Any]]:
    lines = "\n".join(base64.b64encode(message.payload).decode() for message in messages)
    folder = npm_peer.install("sparkplug")
    done = subprocess.run(
        ["node", str(folder / "decode.js")],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def result(number: int, score: float | None) -> Result:
    return Result(
        id=number,
        at=1000.25 + number,
        machine="pump",
        state="ADVISORY",
        reason="NONE",
        score=score,
        alarm=False,
        inputs=[12.5, None, 0.0, -1.5],
        outputs={"wear": {"alarm": False}},
    )


def test_another_decoder_reads_the_same(tmp_path: Path) -> None:
    node = Node("plant", "gw", config_of(tmp_path, "pump"), {})
    node.learn(result(0, 0.25))
    births = list(node.birth(7, 1_700_000_000_000, 3, 4, {}))
    data = list(node.results([result(1, 0.5)], 1_700_000_001_000, late=False))
    late = list(node.results([result(2, None)], 1_700_000_002_000, late=True))
    nbirth, dbirth, ddata, dlate, death = decoded([*births, *data, *late, node.death(7, 1_700_000_003_000)])
    assert [m.get("seq") for m in (nbirth, dbirth, ddata, dlate)] == [0, 1, 2, 3]
    said = {m["name"]: m for m in nbirth["metrics"]}
    assert (said["bdSeq"]["value"], said["bdSeq"]["type"]) == (7, "Int64")
    assert (said[REBIRTH]["value"], said[REBIRTH]["type"]) == (False, "Boolean")
    assert (said["Agent/Results waiting"]["value"], said["Agent/Results lost"]["value"]) == (3, 4)
    born = {m["name"]: m for m in dbirth["metrics"]}
    assert (born["Score"]["value"], born["Score"]["type"], born["Score"]["timestamp"]) == (
        0.25,
        "Double",
        1_000_250,
    )
    assert born["Inputs/a.flow"]["properties"]["engUnit"] == {"type": "String", "value": "m3/h"}
    assert born["Inputs/a.flow"]["properties"]["engHigh"] == {"type": "Double", "value": 50}
    assert born["Inputs/a.head"]["value"] is None
    assert born["Outputs/wear/Alarm state"]["properties"]["priority"] == {"type": "String", "value": "urgent"}
    names = {m["alias"]: m["name"] for m in dbirth["metrics"]}
    assert [names[m["alias"]] for m in ddata["metrics"]] == ["Score"]
    assert all(m["isHistorical"] for m in dlate["metrics"])
    assert len(dlate["metrics"]) > len(ddata["metrics"])
    assert [(m["name"], m["value"]) for m in death["metrics"]] == [("bdSeq", 7)]
