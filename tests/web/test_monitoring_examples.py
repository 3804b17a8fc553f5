"""The files in examples/monitoring: promtool takes them, and every metric that they ask for is there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from page_rig import Plant
from sources import ROOT

pytestmark = pytest.mark.sockets
FOLDER = ROOT / "examples" / "monitoring"
RULES = FOLDER / "edge-agent.rules.yml"
METRIC = re.compile(r"\bedge_agent_[a-z_]+\b")


def promtool(*arguments: object) -> str:
    ended = subprocess.run(
        ["promtool", *map(str, arguments)], check=False, capture_output=True, text=True, cwd=FOLDER
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def asked_of_grafana() -> list[str]:
    dashboard = json.loads((FOLDER / "grafana-edge-agent.json").read_text(encoding="utf-8"))
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(found) >= 15
    return found


def test_the_alert_rules_hold_and_do_what_they_say() -> None:
    assert "19 rules found" in promtool("check", "rules", RULES.name)
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "edge-agent.tests.yml")


def test_what_the_dashboard_asks_can_be_asked(tmp_path: Path) -> None:
    rules = [
        {"record": "asked", "expr": expr.replace("$__rate_interval", "5m").replace("$instance", ".+")}
        for expr in asked_of_grafana()
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", "--lint=none", file)


def told_by(running: Plant) -> list[str]:
    lines = running.http.get("/metrics").body.decode().splitlines()
    return [line.split()[2] for line in lines if line.startswith("# TYPE")]


def test_every_metric_that_is_asked_for_is_there(running: Plant) -> None:
    told = set(METRIC.findall(running.http.get("/metrics").body.decode()))
    asked = set(METRIC.findall(RULES.read_text(encoding="utf-8") + " ".join(asked_of_grafana())))
    assert len(asked) >= 15
    # Of the OPC UA server, which the pump's agent has not, there is nothing to tell.
    assert asked - told == {"edge_agent_opcua_server_up"}
    # node_exporter, which reads the file, refuses names that it has itself.
    assert all(name.startswith("edge_agent_") for name in told_by(running))
