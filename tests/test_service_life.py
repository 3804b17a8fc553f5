"""The service from start to stop: what it refuses to start with, an absent PLC, shadow mode, SIGTERM."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_process import AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import ADVISORY, device, machine, start_plant

from edge_agent.core.tags import Reason
from edge_agent.plant.process import PlantProcess

pytestmark = pytest.mark.sockets
OFF = 0


@pytest.fixture(scope="module")
def plant() -> Iterator[PlantProcess]:
    with start_plant(free_port()) as plant:
        yield plant


@pytest.fixture
def proxy(plant: PlantProcess) -> Iterator[Proxy]:
    with Proxy(plant.modbus_port) as proxy:
        yield proxy


@pytest.fixture
def configured(dense_tflite: bytes, tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration of one device and one machine, and the bundle beside it."""
    small_bundle(tmp_path / "small.bundle", dense_tflite)

    def write(port: int, mode: str = "advisory", changes: tuple[str, str] = ("", "")) -> Path:
        config = tmp_path / "c.toml"
        text = '[agent]\nstate = "state"\n' + device("a", port) + machine("alpha", "a", "a", mode)
        config.write_text(text.replace(*changes), encoding="utf-8")
        return config

    return write


def refused(config: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "edge_agent", "run", config.name],
        cwd=config.parent,
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b[:700] + bytes([b[700] ^ 1]) + b[701:]])
def test_a_damaged_bundle_starts_nothing(
    proxy: Proxy, configured: Callable[..., Path], damage: Callable[[bytes], bytes]
) -> None:
    config = configured(proxy.port)
    bundle = config.with_name("small.bundle")
    bundle.write_bytes(damage(bundle.read_bytes()))
    code, said = refused(config)
    assert code == 78
    assert "small.bundle: damaged" in said
    assert "Traceback" not in said
    assert not proxy.requests
    assert not (config.parent / "state").exists()


def test_every_mistake_is_told_at_once_and_nothing_is_started(
    proxy: Proxy, configured: Callable[..., Path]
) -> None:
    config = configured(proxy.port)
    text = config.read_text().replace("a.flow", "a.fow")
    config.write_text(
        text.replace('timeout = "300ms"', 'timeout = "300 parsecs"').replace("scan =", "scam =")
    )
    code, said = refused(config)
    assert code == 78
    assert "timeout" in said
    assert "scam" in said
    assert "did you mean 'scan'" in said
    assert "a.fow" in said
    assert not proxy.requests


def test_a_plc_that_is_absent_at_the_start_is_picked_up(configured: Callable[..., Path]) -> None:
    port = free_port()
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(AgentProcess(configured(port)))
        until(lambda: agent.told() and "WARNING device a: " in agent.told()[0], "the device is told absent")
        until((agent.state / "status.sock").exists, "the status socket")
        assert agent.status()["devices"][0]["healthy"] is False
        plc = Plc(stack.enter_context(start_plant(port)).modbus_port)
        until(lambda: plc.frame().state == ADVISORY, "results")
        told = [line.split(":")[0] for line in agent.told() if "device a" in line]
        assert told == ["WARNING device a", "INFO device a"]
        assert agent.terminate() == 0
        assert (plc.frame().state, plc.frame().reason) == (OFF, Reason.STOPPED)


def test_shadow_mode_puts_no_write_on_the_wire(proxy: Proxy, configured: Callable[..., Path]) -> None:
    before = Plc(proxy.target).registers(400, 20)
    with AgentProcess(configured(proxy.port, "shadow")) as agent:
        until((agent.state / "status.sock").exists, "the status socket")
        until(lambda: agent.machine("alpha")["state"] == "SHADOW", "results")
        until(lambda: len(proxy.requests) > 10, "ten requests")
        assert 0.0 < agent.machine("alpha")["score"] < 1.0
        assert agent.terminate() == 0
    assert proxy.writes == set()
    assert Plc(proxy.target).registers(400, 20) == before


def stopped_in_the_middle(proxy: Proxy, config: Path, release_after: float | None) -> float:
    """SIGTERM while the PLC owes the answer to a write; return how long the end took, in seconds."""
    holding, release = threading.Event(), threading.Event()

    def hold(request: bytes, reply: bytes) -> bytes:
        if request[0] == 16:
            holding.set()
            release.wait(15)
        return reply

    plc = Plc(proxy.target)
    with AgentProcess(config) as agent:
        until(lambda: plc.frame().state == ADVISORY, "results")
        proxy.mangle = hold
        assert holding.wait(5)
        started = time.monotonic()
        agent.process.send_signal(signal.SIGTERM)
        if release_after is not None:
            timer = threading.Timer(release_after, release.set)
            timer.start()
        try:
            assert agent.process.wait(10) == 0, agent.lines
        finally:
            release.set()
            proxy.mangle = None
        assert "Traceback" not in "\n".join(agent.lines)
        return time.monotonic() - started


def test_sigterm_during_a_write_waits_for_its_answer_and_says_off(
    proxy: Proxy, configured: Callable[..., Path]
) -> None:
    took = stopped_in_the_middle(proxy, configured(proxy.port, "advisory"), 0.15)
    assert took < 3
    frame = Plc(proxy.target).frame()
    assert (frame.state, frame.reason) == (OFF, Reason.STOPPED)
    assert proxy.writes == {(16, 400, 20)}


def test_sigterm_during_a_write_that_is_never_answered_ends_all_the_same(
    proxy: Proxy, configured: Callable[..., Path]
) -> None:
    assert stopped_in_the_middle(proxy, configured(proxy.port), None) < 10


def test_a_patient_device_cannot_delay_the_end(proxy: Proxy, configured: Callable[..., Path]) -> None:
    config = configured(proxy.port, changes=('timeout = "300ms"', 'timeout = "20s"'))
    assert stopped_in_the_middle(proxy, config, None) < 10


def test_a_second_signal_does_no_harm(proxy: Proxy, configured: Callable[..., Path]) -> None:
    with AgentProcess(configured(proxy.port)) as agent:
        until((agent.state / "status.sock").exists, "the status socket")
        agent.process.send_signal(signal.SIGINT)
        assert agent.terminate() == 0
        assert "Traceback" not in "\n".join(agent.lines)
    assert not (agent.state / "status.sock").exists()


def test_a_state_folder_that_cannot_be_used_is_told_without_a_traceback(
    proxy: Proxy, configured: Callable[..., Path]
) -> None:
    config = configured(proxy.port)
    (config.parent / "state").write_text("in the way")
    code, said = refused(config)
    assert code == 1
    assert "state: File exists" in said
    assert "Traceback" not in said


def test_a_state_folder_too_deep_for_a_socket_is_told_without_a_traceback(
    proxy: Proxy, configured: Callable[..., Path]
) -> None:
    config = configured(proxy.port, changes=('state = "state"', f'state = "{"deep" * 30}"'))
    code, said = refused(config)
    assert code in {1, 78}
    assert "deep: AF_UNIX path too long" in said
    assert "Traceback" not in said


def test_a_second_agent_on_the_same_state_folder_is_refused_and_the_first_goes_on(
    plant: PlantProcess, configured: Callable[..., Path]
) -> None:
    config = configured(plant.modbus_port)
    with AgentProcess(config) as first:
        until(
            lambda: (
                (first.state / "status.sock").exists()
                and first.status()["machines"][0]["state"] == "ADVISORY"
            ),
            "the first agent has results",
        )
        code, said = refused(config)
        assert code == 1
        assert "another agent is running on this state folder" in said
        assert first.status()["machines"][0]["state"] == "ADVISORY"
