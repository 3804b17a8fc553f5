"""The store of the installed service: root changes it, a user of its own that systemd made up reads it."""

import pytest
from agent_process import until
from box import Box
from unit import CONFIG, PYTHON, STATE, UNIT, at_work, pid, results, status

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

RELEASES = """
from pathlib import Path
import msgspec
from edge_agent import bundle
made = bundle.read(Path("/etc/edge-agent/bearing.bundle"))
for sequence in (5, 6):
    manifest = msgspec.structs.replace(made.manifest, sequence=sequence)
    bundle.write(Path(f"/etc/edge-agent/bearing-{sequence}.bundle"), manifest, made.model, made.known)
"""


def bundle(box: Box, *command: object) -> str:
    return box.run("edge-agent", "bundle", *command, "--config", CONFIG)


def owners(box: Box) -> set[str]:
    """Whose the files of the state folder are, at its true place."""
    return set(box.run("find", f"{STATE}/", "-printf", "%u\n").split())


def running(box: Box) -> int:
    (machine,) = status(box)["machines"]
    return int(machine["sequence"])


@pytest.fixture(scope="module")
def box(installed: Box) -> Box:
    """A version was installed before the service ever ran."""
    installed.run(PYTHON, "-I", "-c", RELEASES)
    said = bundle(installed, "install", "/etc/edge-agent/bearing-5.bundle", "--unsigned", "--activate")
    assert "no agent is running; it is taken at the next start" in said
    assert owners(installed) == {"root"}
    before = installed.run("cat", CONFIG)
    assert 'bundle = "bearing.bundle"' in before
    installed.write(CONFIG, before.replace('bundle = "bearing.bundle"', 'bundle = "bearing"'))
    return at_work(installed)


def test_what_was_installed_before_the_first_start_becomes_the_services(box: Box) -> None:
    assert running(box) == 5
    assert owners(box) == {"edge-agent"}
    assert box.run("stat", "-c", "%U %a", "/var/lib/private").strip() == "root 700"


def test_root_installs_activates_and_rolls_back_while_it_runs(box: Box) -> None:
    agent = pid(box)
    assert "sequence 6" in bundle(box, "install", "/etc/edge-agent/bearing-6.bundle", "--unsigned")
    assert running(box) == 5
    assert "6 is active; running in pump, on trial" in bundle(box, "activate", "bearing@6")
    assert running(box) == 6
    results(box)
    until(lambda: "active, on trial, starts 1" in bundle(box, "list"), "its first start")
    assert owners(box) == {"edge-agent"}
    assert "5 is active; running in pump, on trial" in bundle(box, "rollback", "bearing")
    assert running(box) == 5
    results(box)
    assert pid(box) == agent


def test_another_user_is_told_to_be_root(box: Box) -> None:
    for command in ("bundle list --config", "status"):
        words = ["edge-agent", *command.split(), CONFIG]
        said = box.run(
            "sh", "-c", f"setpriv --reuid=edge-agent --clear-groups {' '.join(words)} 2>&1 || true"
        )
        assert "run it as root" in said, said


def test_a_change_while_it_is_stopped_holds_after_an_upgrade(box: Box) -> None:
    box.run("systemctl", "stop", UNIT)
    assert "taken at the next start" in bundle(box, "activate", "bearing@6")
    box.run("dpkg", "--install", "/opt/edge-agent.deb")
    at_work(box)
    assert running(box) == 6
    assert "5 is active; running in pump, on trial" in bundle(box, "activate", "bearing@5")
    results(box)
    assert owners(box) == {"edge-agent"}
