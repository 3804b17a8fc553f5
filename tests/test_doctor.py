"""What `doctor` says of this box, of folders that will not do, and of processors that are hidden."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_agent import bundle, filesystem
from edge_agent.cli import main
from edge_agent.demo.site import SHIPPED
from edge_agent.doctor import Finding, Grade, clock, disk, processor, reference, service
from edge_agent.doctor.profile import parse
from edge_agent.history.file import LARGEST
from edge_agent.history.store import Store

SIXTY_BAD = [0.001] * 40 + [2.0] * 60


def graded(finding: Finding) -> tuple[Grade, bool]:
    """The grade, and whether it is said what to do."""
    return finding.grade, bool(finding.todo)


GOOD, WARN, BAD = (Grade.OK, False), (Grade.WARN, True), (Grade.BAD, True)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_a_good_box_is_told_item_by_item(state: Path) -> None:
    ended = CliRunner().invoke(main, ["doctor", "--state", str(state), "--json"])
    found = {finding["item"]: finding for finding in json.loads(ended.stdout)}
    assert set(found) == {
        *("state folder", "disk space", "fsync", "wall clock", "scan clock", "wake-up"),
        *("processor", "runtime", "XNNPACK", "event loop"),
    }
    assert ended.exit_code == any(finding["grade"] == "BAD" for finding in found.values())
    assert found["XNNPACK"]["grade"] == "OK"
    assert "100 times" in found["fsync"]["says"]
    assert not list(state.iterdir())


def test_a_missing_state_folder_is_exit_code_1(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["doctor", "--state", str(tmp_path / "nowhere")])
    assert ended.exit_code == 1
    assert "nowhere does not exist\n" in ended.stdout
    assert "make it" in ended.stdout


def test_a_state_folder_is_this_users_alone(state: Path) -> None:
    assert disk.access(state).grade is not Grade.BAD
    state.chmod(0o755)
    assert "(755)" in disk.access(state).says
    (state / "file").touch()
    assert graded(disk.access(state / "file")) == BAD


def test_a_folder_in_memory_forgets() -> None:
    assert graded(disk.access(Path("/dev/shm"))) == WARN
    assert "tmpfs" in disk.access(Path("/dev/shm")).says


def test_a_folder_over_the_network_is_told_by_doctor_and_by_the_agent(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(filesystem, "kind_of", lambda _: "nfs4")
    assert graded(disk.access(state)) == WARN
    assert "nfs4, over the network" in disk.access(state).says
    store = Store(state / "history.db", LARGEST, 0)
    for _ in range(2):
        assert store.keep([])
        store.close()
    assert "on nfs4, over the network" in store.note
    assert caplog.text.count("over the network") == 1


def test_a_folder_that_cannot_be_written_is_bad() -> None:
    script = "from edge_agent.doctor import disk; print(disk.access(__import__('pathlib').Path('/proc/1')))"
    drop = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    ended = subprocess.run([*drop, sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "Grade.BAD" in ended.stdout


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (disk.fsync([0.001] * 100), GOOD),
        (disk.fsync([0.001] * 98 + [0.3] * 2), WARN),
        (disk.fsync(SIXTY_BAD), BAD),
        (disk.space(5_000_000_000), GOOD),
        (disk.space(500_000_000), WARN),
        (disk.space(0), BAD),
        (clock.wall(1.8e9, synchronised=True, error=0.01), GOOD),
        (clock.wall(1.8e9, synchronised=False, error=16.0), WARN),
        (clock.wall(0.0, synchronised=True, error=0.01), BAD),
        (clock.monotonic(1e-9), GOOD),
        (clock.monotonic(0.01), BAD),
        (clock.wakeups([1e-4] * 100), GOOD),
        (clock.wakeups([1e-4] * 98 + [0.01] * 2), WARN),
        (processor.died(-11, ""), BAD),
        (processor.died(1, "Traceback\nNoRuntime: no TFLite runtime"), BAD),
    ],
)
def test_what_is_measured_is_judged(finding: Finding, expected: tuple[Grade, bool]) -> None:
    assert graded(finding) == expected
    assert finding.says in finding.text()


def test_a_hidden_processor_costs_the_delegate_and_is_told() -> None:
    """As a service with ProcSubset=pid sees it: a model still runs, many times slower."""
    script = "from edge_agent.doctor import processor\nfor f in processor.look(): print(f.text())"
    hide = f'mount -t proc -o subset=pid proc /proc && exec "{sys.executable}" -c "$0"'
    private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urmpf"]
    ended = subprocess.run(
        [*private, "sh", "-c", hide, script], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert "OK    runtime" in ended.stdout
    assert "WARN  XNNPACK" in ended.stdout
    assert "ProcSubset=all" in ended.stdout


def test_bench_measures_a_bundle_and_ends_with_a_line_for_the_converter() -> None:
    ended = CliRunner().invoke(main, ["doctor", "--bench", str(SHIPPED)])
    assert ended.exit_code == 0
    assert "known answers proven" in ended.stdout
    told = parse(ended.stdout.splitlines()[-1])
    assert told.model == hashlib.sha256(bundle.read(SHIPPED).model).hexdigest()
    assert 0 < told.latency.model <= told.latency.p50 <= told.latency.p99
    assert {*told.reference, *told.refused} == set(reference.bundles())


def test_bench_of_what_is_no_bundle_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.bundle").write_bytes(b"no")
    ended = CliRunner().invoke(main, ["doctor", "--bench", str(tmp_path / "no.bundle")])
    assert ended.exit_code == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "no.bundle" in ended.stderr


def test_as_the_service_it_has_the_units_user_and_configuration() -> None:
    installed = "[Service]\nExecStart=/usr/bin/edge-agent run /etc/a.toml\n# drop-in\n[Service]\nUser=ea\n"
    made = service.unit(installed, ["--state", "/a b/100%"], Path("/run/said"))
    assert made.startswith(installed)
    assert '\nExecStart=/usr/bin/edge-agent doctor "--config" "/etc/a.toml" "--state" "/a b/100%%"\n' in made
    assert "\nUser=ea\n" in made.removeprefix(installed)
    with pytest.raises(service.NoServiceError, match="runs no configuration"):
        service.unit("[Service]\nExecStart=/bin/true\n", [], Path("/run/said"))
