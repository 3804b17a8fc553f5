"""A real Prometheus and a real node_exporter, configured as examples/monitoring says, beside a real agent."""

import contextlib
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_process import AgentProcess, small_bundle, until
from modbus_proxy import free_port
from plc_line import device, machine, start_plant
from sources import EXAMPLES

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(180)]


@contextlib.contextmanager
def running(*command: object) -> Iterator[None]:
    with subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


class Prometheus:
    """At a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return json.load(reply)["data"]
        except OSError:
            return {"result": [], "groups": []}

    def values(self, query: str, label: str = "job") -> dict[str, float]:
        """What a query gives now, by a label."""
        return {
            one["metric"][label]: float(one["value"][1]) for one in self.ask("query", query=query)["result"]
        }


@pytest.fixture
def agent(dense_tflite: bytes, tmp_path: Path) -> Iterator[AgentProcess]:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    (tmp_path / "textfiles").mkdir()
    config = tmp_path / "config.toml"
    with start_plant(free_port()) as plant:
        config.write_text(
            '[agent]\nname = "gw"\nstate = "state"\n'
            f"{device('a', plant.modbus_port)}{machine('pump', 'a', 'a')}"
            '[metrics]\ntextfile = "textfiles/edge-agent.prom"\nevery = "1s"\n'
            f'[web]\nlisten = "127.0.0.1:{free_port()}"\n'
        )
        with AgentProcess(config) as started:
            yield started


@pytest.fixture
def prometheus(agent: AgentProcess, tmp_path: Path) -> Iterator[Prometheus]:
    """It scrapes the agent's page, and the file through node_exporter."""
    page = agent.config.read_text().rpartition("127.0.0.1:")[2].strip('"\n')
    node, own = free_port(), free_port()
    text = (EXAMPLES / "monitoring/prometheus.yml").read_text()
    for example, here in (
        ("scrape_interval: 15s", "scrape_interval: 1s, evaluation_interval: 1s"),
        ("127.0.0.1:8080", f"127.0.0.1:{page}"),
        ("127.0.0.1:9100", f"127.0.0.1:{node}"),
    ):
        assert example in text
        text = text.replace(example, here)
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(EXAMPLES / "monitoring/edge-agent.rules.yml", tmp_path)
    with (
        running(
            *("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile"),
            f"--collector.textfile.directory={tmp_path}/textfiles",
            f"--web.listen-address=127.0.0.1:{node}",
        ),
        running(
            *("prometheus", f"--config.file={tmp_path}/prometheus.yml"),
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{own}",
        ),
    ):
        yield Prometheus(own)


def test_the_page_and_the_file_tell_prometheus_the_same(agent: AgentProcess, prometheus: Prometheus) -> None:
    both = {"edge-agent": 1.0, "node": 1.0}
    until(lambda: prometheus.values('edge_agent_device_up{device="a"}') == both, "both are scraped", 60)
    until(lambda: prometheus.values('edge_agent_machine_state{state="ADVISORY"}') == both, "results", 60)
    assert prometheus.values("node_textfile_scrape_error") == {"node": 0.0}
    names = {job: told(prometheus, job) for job in both}
    assert len(names["node"]) > 40
    assert names["node"] == names["edge-agent"]
    frequent = 'rate(edge_agent_cycle_seconds_count{period="0.1"}[10s])'
    until(lambda: all(rate > 5 for rate in prometheus.values(frequent).values()), "a rate", 60)

    def rules() -> list[Any]:
        found = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return found if found and all(rule["health"] != "unknown" for rule in found) else []

    assert {rule["health"] for rule in until(rules, "all rules are evaluated", 60)} == {"ok"}
    agent.terminate()
    until(lambda: prometheus.values("up") == {"edge-agent": 0.0, "node": 1.0}, "the page is gone", 30)
    # The file stays: the rule for one that nobody writes asks for this.
    assert prometheus.values('node_textfile_mtime_seconds{file=~".*/edge-agent.prom"}').keys() == {"node"}


def told(prometheus: Prometheus, job: str) -> set[str]:
    """Names of what one job has of ours."""
    query = f'group by (__name__) ({{__name__=~"edge_agent_.+", job="{job}"}})'
    return set(prometheus.values(query, "__name__"))
