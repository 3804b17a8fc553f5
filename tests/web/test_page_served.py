"""What the page's server answers, and to whom: token, names, headers, bounds, metrics, health."""

import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_process import until
from page_rig import TOKEN, Plant

pytestmark = pytest.mark.sockets
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
ORDER = {"do": "acknowledge", "machine": "pump"}


@contextmanager
def stream(port: int) -> Iterator[Iterator[tuple[str, Any]]]:
    """Events of the page's stream, as they come: name and data."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with sock.makefile("r", encoding="utf-8") as lines:
            yield events(lines)


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        key, _, value = line.strip().partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def test_a_stream_begins_with_the_layout_and_every_value_and_goes_on_with_what_changed(
    running: Plant,
) -> None:
    with stream(running.http.port) as told:
        (first, layout), (second, whole) = next(told), next(told)
        assert (first, second) == ("layout", "snapshot")
        assert layout["writable"] is True
        assert [i["name"] for i in layout["machines"][0]["inputs"]][2] == "vibration"
        assert whole["values"]["rows"] == list(range(len(layout["tags"])))
        later = [next(told) for _ in range(3)]
    assert {name for name, _ in later} == {"snapshot"}
    times = [whole["at"], *(data["at"] for _, data in later)]
    assert times == sorted(times)
    machine = later[-1][1]["status"]["machines"][0]
    assert machine["name"] == "pump"
    assert machine["writes"]["verified"] > 0
    assert machine["last_write"] == "verified"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Cookie": f"token={TOKEN}"}, 401),
        (AUTHORISED, 204),
    ],
)
def test_nothing_is_ordered_without_the_token(running: Plant, headers: dict[str, str], status: int) -> None:
    reply = running.http.post("/api/order", ORDER, **headers)
    assert reply.status == status
    assert TOKEN.encode() not in reply.body


def test_a_wrong_token_costs_a_second(running: Plant) -> None:
    began = time.monotonic()
    running.http.post("/api/order", ORDER, Authorization="Bearer guess")
    assert time.monotonic() - began >= 1.0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"do": "acknowledge", "machine": "press"}, 409, "there is no machine 'press'"),
        ({"do": "acknowledge", "machine": "pump", "output": "bearing"}, 409, "bearing_wear"),
        ({"do": "explode", "machine": "pump"}, 400, "explode"),
        ({"do": "acknowledge"}, 400, "machine"),
        (b"{", 400, "truncated"),
        (b"x" * 5000, 413, "at most 4096 bytes"),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_the_reason(
    running: Plant, body: object, status: int, said: str
) -> None:
    reply = running.http.post("/api/order", body, **AUTHORISED)
    assert reply.status == status
    assert said in reply.json["error"]


def test_an_order_is_kept_with_where_it_came_from(running: Plant) -> None:
    assert running.http.post("/api/order", ORDER, **AUTHORISED).status == 204

    def kept() -> list[tuple[str]]:
        with sqlite3.connect(running.config.parent / "state/history.db") as history:
            rows = history.execute("SELECT text FROM event WHERE kind = 'order'").fetchall()
        history.close()
        return rows

    assert ("acknowledge all, by the page, from 127.0.0.1",) in until(kept, "the event of the order")


def test_every_answer_tells_browsers_to_be_careful(running: Plant) -> None:
    for path in ("/", "/static/page.js", "/api/status", "/metrics", "/nowhere"):
        headers = running.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-cache"
        assert "set-cookie" not in headers
        assert "server" not in headers


def test_a_name_that_points_here_from_outside_is_refused(running: Plant) -> None:
    assert running.http.get("/api/status", Host="evil.example").status == 421
    assert running.http.get("/api/status", Host=f"localhost:{running.http.port}").status == 200


def test_no_file_but_the_pages_own_is_served(running: Plant) -> None:
    for path in ("/static/../routes.py", "/static/%2e%2e/routes.py", "/static/i18n/", "/etc/passwd"):
        assert running.http.get(path).status in {404, 405}, path


def test_more_pages_than_allowed_are_told_so_and_the_others_go_on(running: Plant) -> None:
    with ExitStack() as stack:
        pages = [stack.enter_context(stream(running.http.port)) for _ in range(32)]
        for page in pages:
            assert next(page)[0] == "layout"
        assert running.http.get("/api/stream").status == 503
        assert running.http.get("/healthz").status == 200
        names = [next(pages[0])[0] for _ in range(3)]
    assert names == ["snapshot"] * 3
    until(lambda: opens(running), "a page finds room again")


def opens(running: Plant) -> bool:
    with socket.create_connection(("127.0.0.1", running.http.port), timeout=5) as sock:
        sock.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return sock.recv(12) == b"HTTP/1.1 200"


def test_metrics_are_what_prometheus_takes_and_the_file_says_the_same(running: Plant) -> None:
    told = running.http.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = told.body.decode()
    file = running.config.parent / "edge-agent.prom"
    until(lambda: file.exists() and 'state="ADVISORY"} 1.0' in file.read_text(), "the file with results")
    for content in (text, file.read_text()):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=content, check=False, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert 'edge_agent_device_up{device="plc"} 1.0' in content
        assert 'edge_agent_tags{device="plc",quality="GOOD"} 6.0' in content
        assert 'edge_agent_result_writes_total{machine="pump",outcome="verified"}' in content
    assert names(text) == names(file.read_text())
    assert not list(Path(file.parent).glob("*.new"))


def names(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_history_answers_what_was_live_a_moment_ago(running: Plant) -> None:
    def past() -> Any:
        now = time.time()
        return running.http.get(f"/api/history?machine=pump&since={now - 60}&until={now}&points=50").json

    found = until(lambda: past() if len(past()["at"]) >= 3 else None, "three points")
    assert (found["resolution"], found["behind"]) == (0, False)
    assert found["at"] == sorted(found["at"])
    assert len(found["at"]) <= 51
    lengths = {len(column) for part in ("columns", "low", "high") for column in found[part].values()}
    assert lengths == {len(found["at"])}
    assert all(span["since"] < span["until"] <= time.time() + 2 for span in found["spans"])
    assert {span["how"] for span in found["spans"]} <= set(found["lasted"])
    assert running.http.get("/api/history?machine=press&since=0&until=1").status == 404
    assert running.http.get("/api/history?machine=pump&since=1&until=nan").status == 400
    assert running.http.get("/api/history?machine=pump&since=0&until=1&points=100000").status == 400


def test_the_log_is_of_a_range_where_one_is_asked_for(running: Plant) -> None:
    now = time.time()
    told = until(lambda: running.http.get("/api/log").json["events"], "an event")
    ranged = running.http.get(f"/api/log?since={now - 3600}&until={now + 60}").json
    assert [e["text"] for e in ranged["events"]][-1] == told[-1]["text"] == "started"
    assert running.http.get(f"/api/log?since={now - 7200}&until={now - 3600}").json["events"] == []
    assert running.http.get(f"/api/log?since={now}").status == 400
