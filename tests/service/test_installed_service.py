"""The installed service under a real systemd: it starts, dies, hangs, reloads and stops as it should."""

import json
import random
import re
import time
from pathlib import Path

import pytest
from agent_process import until
from box import Box
from unit import CONFIG, OFF, PYTHON, UNIT, at_work, count_results, pid, query, results, status, words

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

BEGUN_AND_READY = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
DEFAULT_BURST = 5
"""Starts within 10 s after which systemd gives up, unless the unit says otherwise."""


@pytest.fixture
def box(installed: Box) -> Box:
    return at_work(installed)


def test_it_is_ready_after_its_first_cycle_and_says_what_the_plant_looks_like(box: Box) -> None:
    def told() -> bool:
        return box.unit(UNIT, "StatusText")["StatusText"] == "2 of 2 devices answer; pump ADVISORY"

    box.run("systemctl", "restart", UNIT)  # returns with READY
    ready = status(box)
    assert ready["machines"][0]["model_runs"]
    assert ready["scans"][0]["cycles"] > 0
    until(told, f"the status text, not {box.unit(UNIT, 'StatusText')}")
    assert "known answers proven" in box.journal(UNIT)
    at = box.unit(UNIT, *BEGUN_AND_READY)
    begun, entered = (1000 * int(at[name]) for name in BEGUN_AND_READY)
    ((first,),) = query(box, f"select min(monotonic) from result where monotonic > {begun}")
    assert begun < first < entered
    print("first complete cycle after", (entered - begun) / 1e9, "s")


def test_the_delegate_is_in_use_and_where_the_processor_is_hidden_it_runs_without_and_says_so(
    box: Box,
) -> None:
    without, since = "runs it without XNNPACK here", box.run("date", "+%s.%N").strip()
    box.run("systemctl", "restart", UNIT)
    results(box)
    journal = ("journalctl", "--unit", UNIT, "--since", f"@{since}", "--output", "cat")
    assert "known answers proven" in box.run(*journal)
    assert without not in box.run(*journal)
    restarts = box.unit(UNIT, "NRestarts")
    box.write(f"/etc/systemd/system/{UNIT}.d/proc.conf", "[Service]\nProcSubset=pid\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", UNIT)
    results(box)
    assert without in box.run(*journal)
    assert box.unit(UNIT, "NRestarts") == restarts
    box.run("rm", f"/etc/systemd/system/{UNIT}.d/proc.conf")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", UNIT)


def test_a_start_on_a_read_only_disk_is_one_start_and_gives_results(box: Box) -> None:
    box.run("systemctl", "stop", UNIT)
    state = "/var/lib/private/edge-agent"
    box.run("mount", "--bind", state, state)
    box.run("mount", "-o", "remount,bind,ro", state)
    box.run("systemctl", "start", UNIT)
    results(box)
    assert "inference goes on, history is lost" in box.journal(UNIT, 20)
    assert "history: " in box.unit(UNIT, "StatusText")["StatusText"]
    assert box.unit(UNIT, "NRestarts") == {"NRestarts": "0"}
    box.run("systemctl", "stop", UNIT)
    assert words(box)[3] == OFF
    box.run("umount", state)


def test_the_exposure_is_small(box: Box) -> None:
    said = box.run("systemd-analyze", "security", UNIT, "--no-pager")
    exposure = re.search(r"exposure level for edge-agent.service: ([0-9.]+)", said)
    assert exposure is not None
    print(exposure.group(0))
    assert float(exposure.group(1)) <= 1.5


def test_it_runs_as_a_user_of_its_own_and_its_state_is_its_own(box: Box) -> None:
    user = box.run("ps", "-o", "euser:32=", "-p", pid(box)).strip()
    assert user == "edge-agent"
    refused = box.run("setpriv", "--reuid=65534", "--clear-groups", "ls", "/var/lib/edge-agent/", check=False)
    assert refused == ""
    assert "history.db" in box.run("ls", "/var/lib/edge-agent/")


def test_kill_9_is_followed_by_a_restart_and_new_results(box: Box) -> None:
    restarts, killed = int(box.unit(UNIT, "NRestarts")["NRestarts"]), pid(box)
    box.run("kill", "-9", killed)
    box.becomes(UNIT, ActiveState="active", SubState="running", NRestarts=str(restarts + 1))
    results(box)
    assert pid(box) != killed


def test_kill_9_at_any_instant_leaves_a_whole_history(box: Box) -> None:
    """Also while it is starting: no kill waits for the agent to be ready. systemd never gives up."""
    dice, before = random.Random(1), count_results(box)
    for _ in range(DEFAULT_BURST + 1):
        killed = pid(box)
        box.run("kill", "-9", killed)
        until(lambda k=killed: pid(box) not in (0, k), "another agent", 60)
        time.sleep(dice.uniform(0, 1))
    results(box)
    assert query(box, "pragma integrity_check") == [["ok"]]
    assert count_results(box) > before


def test_a_hung_agent_is_restarted_and_its_stack_is_in_the_journal(box: Box) -> None:
    hung = pid(box)
    box.run("kill", "-STOP", hung)
    until(lambda: pid(box) not in (0, hung), "the watchdog's restart", 60)
    results(box)
    journal = box.journal(UNIT, 200)
    assert "Watchdog timeout" in journal
    assert "Fatal Python error: Aborted" in journal
    assert re.search(r'File ".*edge_agent/app\.py", line \d+ in run', journal)


def test_a_hung_child_is_replaced_without_a_restart(box: Box) -> None:
    agent, (child,) = pid(box), box.children(pid(box))
    box.run("kill", "-STOP", child)
    until(lambda: box.children(agent) not in ([], [child]), "another child", 60)
    results(box)
    assert pid(box) == agent


def test_a_good_configuration_is_taken_over_and_a_bad_one_is_not(box: Box) -> None:
    before = box.run("cat", CONFIG)
    agent, reads = pid(box), status(box)["devices"][0]["reads"]
    box.write(CONFIG, before.replace('mode = "advisory"', 'mode = "shadow"'))
    box.run("systemctl", "reload", UNIT)
    until(lambda: [m["mode"] for m in status(box)["machines"]] == ["shadow"], "the other mode")
    box.write(CONFIG, before.replace('mode = "advisory"', 'mode = "advisery"'))
    box.run("systemctl", "reload", UNIT)
    until(lambda: "reload: refused" in box.journal(UNIT, 20), "the refusal in the journal")
    assert "machine.pump.mode" in box.journal(UNIT, 20)
    assert [m["mode"] for m in status(box)["machines"]] == ["shadow"]
    box.write(CONFIG, before)
    box.run("systemctl", "log-level", "debug")
    box.run("systemctl", "reload", UNIT)
    until(lambda: [m["mode"] for m in status(box)["machines"]] == ["advisory"], "the first mode")
    results(box)
    box.run("systemctl", "log-level", "info")
    notified = r"Got notification message from PID \d+ \(RELOADING=1, MONOTONIC_USEC=\d+\)(.*)"
    reloading = re.search(notified, box.journal(UNIT, 500), re.DOTALL)
    assert reloading is not None
    assert "(READY=1)" in reloading[1]
    assert pid(box) == agent
    assert status(box)["devices"][0]["reads"] > reads
    assert status(box)["devices"][0]["failures"] == 0


def test_a_bad_configuration_at_start_is_told_and_not_tried_again(box: Box) -> None:
    before = box.run("cat", CONFIG)
    box.run("systemctl", "stop", UNIT)
    box.write(CONFIG, before.replace("[device.plc]", "[device.plk]"))
    box.run("systemctl", "start", UNIT, check=False)
    box.becomes(UNIT, ActiveState="failed", ExecMainStatus="78", NRestarts="0")
    box.write(CONFIG, before)


def test_stopping_writes_the_stop_values_and_state_is_kept(box: Box) -> None:
    committed = status(box)["history_committed"]
    box.run("systemctl", "stop", UNIT)
    box.becomes(UNIT, ActiveState="inactive", Result="success")
    assert words(box)[3] == OFF
    rows = count_results(box)
    assert rows > committed / 2
    box.run("dpkg", "--install", "/opt/edge-agent.deb")
    box.run("systemctl", "start", UNIT)
    results(box)
    assert count_results(box) >= rows


def test_a_credential_is_the_services_alone(box: Box) -> None:
    box.write("/etc/edge-agent/secret", "very secret")
    box.run("chmod", "600", "/etc/edge-agent/secret")
    box.write(
        f"/etc/systemd/system/{UNIT}.d/plc.conf", "[Service]\nLoadCredential=plc:/etc/edge-agent/secret\n"
    )
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", UNIT)
    results(box)
    where = Path("/proc", str(pid(box)), "root", "run/credentials", UNIT, "plc")
    assert box.run("cat", where) == "very secret"
    assert box.run("stat", "-c", "%a", where).strip() in ("400", "440")
    assert box.run("setpriv", "--reuid=65534", "--clear-groups", "cat", where, check=False) == ""
    environment = box.run("sh", "-c", f"tr '\\0' '\\n' </proc/{pid(box)}/environ")
    assert "very secret" not in environment
    box.run("rm", f"/etc/systemd/system/{UNIT}.d/plc.conf")


ORDER = """
import sys, urllib.error, urllib.request
def asked(token):
    headers = {"Authorization": f"Bearer {token}"}
    order = b'{"do": "acknowledge", "machine": "pump"}'
    request = urllib.request.Request("http://127.0.0.1:8080/api/order", order, headers)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
print(asked("wrong"), asked(sys.argv[1]))
"""


def test_the_page_and_the_metrics_file_work_in_the_services_sandbox(box: Box) -> None:
    before, token, file = box.run("cat", CONFIG), "a token for this test", "/run/edge-agent/edge-agent.prom"
    box.write("/etc/edge-agent/page-token", token)
    box.run("chmod", "600", "/etc/edge-agent/page-token")
    box.write(
        f"/etc/systemd/system/{UNIT}.d/page.conf",
        "[Service]\nLoadCredential=page:/etc/edge-agent/page-token\n",
    )
    page = f'[web]\nlisten = "127.0.0.1:8080"\ntoken = "page"\n[metrics]\ntextfile = "{file}"\nevery = "1s"\n'
    box.write(CONFIG, f"{before}\n{page}")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", UNIT)
    results(box)
    as_another = ("setpriv", "--reuid=65534", "--clear-groups")
    told = until(
        lambda: box.run(*as_another, "cat", file, check=False), "the file, for everybody to read", 60
    )
    assert 'edge_agent_model_up{bundle="bearing"' in told
    assert box.run(PYTHON, "-I", "-c", ORDER, token).split() == ["401", "204"]
    box.run("rm", f"/etc/systemd/system/{UNIT}.d/page.conf")
    box.run("systemctl", "daemon-reload")
    box.write(CONFIG, before)
    box.run("systemctl", "restart", UNIT)
    results(box)


def test_the_doctor_sees_the_box_as_the_service_does(box: Box) -> None:
    """With a drop-in that hides the processor: from the service, and not from root."""
    drop_in = f"/etc/systemd/system/{UNIT}.d/hidden.conf"
    box.write(drop_in, "[Service]\nProcSubset=pid\n")
    box.run("systemctl", "daemon-reload")
    said = {}
    for way in (("--as-service",), ("--config", CONFIG)):
        told = json.loads(box.run("edge-agent", "doctor", *way, "--json", check=False))
        said[way[0]] = {finding["item"]: finding for finding in told}
    assert said["--as-service"].keys() == said["--config"].keys()
    assert said["--as-service"]["XNNPACK"]["grade"] == "WARN"
    assert said["--config"]["XNNPACK"]["grade"] == "OK"
    assert said["--as-service"]["state folder"]["grade"] in ("OK", "WARN")
    user = box.run("stat", "-c", "%u", "/var/lib/private/edge-agent").strip()
    assert user == box.run("ps", "-o", "euid=", "-p", pid(box)).strip(), "the service has its folder still"
    box.run("rm", drop_in)
    box.run("systemctl", "daemon-reload")
    results(box)


def test_removal_keeps_the_state_and_purging_takes_it(box: Box) -> None:
    box.run("dpkg", "--remove", "edge-agent")
    assert box.run("systemctl", "is-active", UNIT, check=False).strip() != "active"
    assert "history.db" in box.run("ls", "/var/lib/private/edge-agent")
    box.run("dpkg", "--purge", "edge-agent")
    assert box.run("ls", "-d", "/var/lib/private/edge-agent", "/usr/lib/edge-agent", check=False) == ""
