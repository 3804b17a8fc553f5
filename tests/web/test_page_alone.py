"""The page where something is missing or in its way: the port, the token, the certificate, the other side."""

import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_process import AgentProcess, small_bundle, until
from http_client import Http
from modbus_proxy import free_port
from page_rig import TOKEN
from plc_line import device, machine

pytestmark = pytest.mark.sockets
ORDER = {"do": "acknowledge", "machine": "alpha"}


@pytest.fixture
def configured(dense_tflite: bytes, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration of one absent PLC and one machine, with these sections beside."""
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    port = free_port()

    def write(sections: str) -> Path:
        config = tmp_path / "c.toml"
        text = '[agent]\nstate = "state"\n' + device("a", port) + machine("alpha", "a", "a", "shadow")
        config.write_text(text + sections, encoding="utf-8")
        return config

    return write


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(folder))
    return folder


def web(port: int, more: str = "") -> str:
    return f'[web]\nlisten = "127.0.0.1:{port}"\n{more}'


def secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def test_a_port_that_is_taken_is_told_and_all_else_goes_on(configured: Callable[[str], Path]) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, AgentProcess(configured(web(taken.getsockname()[1]))) as agent:
        until(lambda: any("Address already in use" in line for line in agent.told()), "the line", 60)
        until(lambda: agent.status()["scans"][0]["cycles"] > 3, "cycles all the same", 60)
        assert agent.terminate() == 0


def test_a_token_that_cannot_be_read_lets_nobody_act_and_is_told(
    configured: Callable[[str], Path], credentials: Path
) -> None:
    http = Http(free_port())
    with AgentProcess(configured(web(http.port, 'token = "page"\n'))) as agent:
        until(http.there, "the page", 60)
        reply = http.post("/api/order", ORDER, Authorization="Bearer ")
        assert (reply.status, "credential" in reply.json["error"]) == (503, True)
        until(lambda: any("credential page" in line for line in agent.told()), "the line")
        secret(credentials / "page", "short")
        assert http.post("/api/order", ORDER, Authorization="Bearer short").status == 503
        # Read at every use: a new one counts without a restart.
        secret(credentials / "page", TOKEN)
        assert http.post("/api/order", ORDER, Authorization=f"Bearer {TOKEN}").status == 204


def test_without_a_token_the_page_only_shows(configured: Callable[[str], Path]) -> None:
    http = Http(free_port())
    config = configured(web(http.port))
    with AgentProcess(config) as agent:
        until(http.there, "the page", 60)
        reply = http.post("/api/order", ORDER, Authorization=f"Bearer {TOKEN}")
        assert (reply.status, "names no web.token" in reply.json["error"]) == (403, True)
        # A PLC that is away is no reason to call the agent unready.
        until(lambda: http.get("/readyz").status == 200, "ready", 60)
        assert 'edge_agent_device_up{device="a"} 0.0' in http.get("/metrics").body.decode()
        with socket.create_connection(("127.0.0.1", http.port), timeout=30) as silent:
            assert silent.recv(1) == b"", "a connection without a request is closed"
        with socket.create_connection(("127.0.0.1", http.port), timeout=30) as page:
            page.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert page.recv(12) == b"HTTP/1.1 200"
            assert agent.terminate() == 0  # an open page does not hold up the end
        assert "Traceback" not in "\n".join(agent.lines)


def test_a_page_with_a_certificate_is_https(configured: Callable[[str], Path], credentials: Path) -> None:
    made = credentials / "tls"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", f"{made}.key", "-out", f"{made}.crt",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    secret(made, Path(f"{made}.crt").read_text() + Path(f"{made}.key").read_text())
    context = ssl.create_default_context(cafile=f"{made}.crt")
    port = free_port()

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"https://localhost:{port}/healthz", context=context) as reply:
                return reply.status == 200
        except OSError:
            return False

    with AgentProcess(configured(web(port, 'certificate = "tls"\n'))) as agent:
        until(healthy, "an answer over TLS", 60)
        with pytest.raises(OSError):
            Http(port).get("/healthz")
        assert agent.terminate() == 0


def test_a_certificate_that_is_none_is_told_and_the_agent_goes_on(
    configured: Callable[[str], Path], credentials: Path
) -> None:
    secret(credentials / "tls", "no certificate")
    with AgentProcess(configured(web(free_port(), 'certificate = "tls"\n'))) as agent:
        until(lambda: any("there is no page" in line for line in agent.told()), "the line", 60)
        until(lambda: agent.status()["scans"][0]["cycles"] > 3, "cycles all the same", 60)
        assert agent.terminate() == 0


def test_a_metrics_file_that_cannot_be_written_is_told_once(configured: Callable[[str], Path]) -> None:
    with AgentProcess(configured('[metrics]\ntextfile = "nowhere/x.prom"\nevery = "200ms"\n')) as agent:
        until(lambda: any("metrics: " in line for line in agent.told()), "the line", 60)
        until(lambda: agent.status()["scans"][0]["cycles"] > 10, "a second more", 60)
        assert sum("metrics: " in line for line in agent.told()) == 1
        (agent.config.parent / "nowhere").mkdir()
        until((agent.config.parent / "nowhere" / "x.prom").exists, "the file, as soon as it can be")


def test_who_asks_for_no_page_and_no_metrics_does_not_load_them() -> None:
    wanted = {"starlette", "uvicorn", "prometheus_client"}
    code = f"import sys, edge_agent.app, edge_agent.cli; print({wanted} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
