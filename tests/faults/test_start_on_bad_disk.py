"""A start on a disk that takes nothing, and a stop while it hangs: results, no history, no audited write."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from agent_process import AgentProcess, Plc, small_bundle, until
from modbus_proxy import Proxy, free_port
from plc_line import ACTIVE, READY, start_plant
from releases import keep, release
from test_active_on_the_wire import BLOCK, SETPOINT, write_config

from edge_agent.bundles.store import Store
from edge_agent.core.permit import Denied
from edge_agent.core.tags import Reason
from edge_agent.plant.process import PlantProcess

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(120)]
PRIVATE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]
DISKS = {
    "read-only": "mount -t tmpfs -o ro tmpfs $0",
    "was in use, now read-only": "mount -t tmpfs tmpfs $0 && cp -r $1/. $0 && mount -o remount,ro $0",
    "full": "mount -t tmpfs -o size=64k tmpfs $0 && ! head -c 1M /dev/zero >$0/others",
    "out of inodes": "mount -t tmpfs -o nr_inodes=1 tmpfs $0",
}
"""What makes $0, the state folder, a disk that takes nothing. $1 is one that an agent has left."""


@pytest.fixture(scope="module")
def plant() -> Iterator[PlantProcess]:
    with start_plant(free_port()) as plant:
        yield plant


@pytest.fixture
def proxy(plant: PlantProcess) -> Iterator[Proxy]:
    with Proxy(plant.modbus_port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def used(plant: PlantProcess, dense_tflite: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of an agent that was killed."""
    folder = tmp_path_factory.mktemp("used")
    small_bundle(folder / "small.bundle", dense_tflite)
    with AgentProcess(write_config(folder, plant.modbus_port, "shadow")) as agent:
        until((folder / "state/history.db-wal").exists, "history")
        until(lambda: agent.status()["history_committed"] > 5, "results")
    return folder / "state"


@pytest.mark.parametrize("disk", DISKS)
def test_a_start_on_a_disk_that_takes_nothing_gives_results_and_writes_nothing_unaudited(
    disk: str, used: Path, proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    state = tmp_path / "state"
    state.mkdir()
    plc = Plc(proxy.target)
    plc.write(SETPOINT, [1450])
    mounted = [*PRIVATE, "sh", "-c", f'{DISKS[disk]} && shift && exec "$@"', str(state), str(used)]
    with AgentProcess(write_config(tmp_path, proxy.port, "active"), before=mounted) as agent:
        until(lambda: plc.frame().state == READY and plc.registers(415, 1) == [Denied.NOT_AUDITED], "results")
        until(lambda: any("no audit on the disk" in line for line in agent.lines), "a refused write")
        first = plc.frame()
        until(lambda: (plc.frame().sequence - first.sequence) & 0xFFFF > 20, "results that go on", 30)
        told = [line for line in agent.told() if "history is lost" in line]
        assert len(told) == 1, agent.lines
        assert agent.terminate(20) == 0, agent.lines
    assert "Traceback" not in "\n".join(agent.lines)
    assert proxy.writes == {BLOCK}, "no output was written"
    assert plc.registers(SETPOINT, 1) == [1450]
    assert (plc.frame().state, plc.frame().reason) == (0, Reason.STOPPED)


@contextmanager
def hanging(pid: int, calls: Path) -> Iterator[None]:
    """Let every sync of a process hang, and note its end: strace keeps it while it delays a call of it."""
    hang = ["-e", "trace=fsync,fdatasync,exit_group", "-e", "inject=fsync,fdatasync:delay_enter=600000000"]
    with subprocess.Popen(["strace", "-f", "-qq", "-o", str(calls), *hang, "-p", str(pid)]) as strace:
        try:
            traced = f"TracerPid:\t{strace.pid}\n"
            status = Path(f"/proc/{pid}/status")
            until(lambda: traced in status.read_text(), "strace beside the agent")
            yield
        finally:
            strace.kill()


def test_a_disk_that_hangs_costs_no_result_and_does_not_hold_up_the_end(
    proxy: Proxy, dense_tflite: bytes, tmp_path: Path
) -> None:
    """Also where the end has something to note: the bundle is on trial."""
    config = write_config(tmp_path, proxy.port, "active")
    config.write_text(config.read_text().replace('"small.bundle"', '"pump"'))
    file = keep(tmp_path / "state", release(tmp_path, dense_tflite, 1))
    with Store(tmp_path / "state", "pump").changing() as record:
        record.activate(file)
    plc, calls = Plc(proxy.target), tmp_path / "calls"
    with AgentProcess(config) as agent:
        until(lambda: plc.frame().state == ACTIVE, "results", 30)
        with hanging(agent.process.pid, calls):
            until(lambda: "sync(" in calls.read_text(), "a sync that hangs")
            first, committed = plc.frame(), agent.status()["history_committed"]
            until(lambda: (plc.frame().sequence - first.sequence) & 0xFFFF > 20, "results that go on", 60)
            assert agent.status()["history_committed"] == committed
            agent.process.send_signal(signal.SIGTERM)
            until(lambda: "exit_group(0" in calls.read_text(), "the end", 25)
            assert any("this stop counts as a failed start" in line for line in agent.lines)
            assert (plc.frame().state, plc.frame().reason) == (0, Reason.STOPPED)
        assert agent.process.wait(10) == 0
