"""The doctor run as the service is: its user and its sandbox see another box than an admin's shell."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

UNIT = "edge-agent.service"
UNITS = Path("/run/systemd/system")
LONGEST = 600
"""Seconds for all that the doctor looks at."""
# RuntimeDirectory: systemd would take it from the service when the doctor ends.
DOCTOR = """
[Unit]
ConditionPathExists=
[Service]
Type=oneshot
RemainAfterExit=yes
User={user}
RuntimeDirectory=
ExecStart=
ExecStart={command}
ExecReload=
Restart=no
WatchdogSec=0
TimeoutStartSec={longest}
SuccessExitStatus=1
StandardOutput=truncate:{out}
"""
"""What makes a doctor of the unit; all else is the service's own, with what was changed by drop-ins."""


class NoServiceError(Exception):
    """It cannot be run so; the text says why and what to do."""


def run(words: Sequence[str]) -> tuple[int, str]:
    """Run `doctor` with these words as the service; return its exit code and what it says."""
    if os.geteuid() != 0:
        raise NoServiceError("only root can run it as the service: sudo edge-agent doctor --as-service")
    if not UNITS.is_dir():
        raise NoServiceError("there is no systemd here; leave --as-service out")
    service = _systemctl("cat", UNIT)
    name = f"edge-agent-doctor-{os.getpid()}.service"
    with tempfile.TemporaryDirectory(prefix="edge-agent-doctor-", dir="/run") as folder:
        out = Path(folder) / "said"
        try:
            (UNITS / name).write_text(unit(service, words, out), encoding="utf-8")
            _systemctl("daemon-reload")
            _systemctl("start", name)
            code = int(_systemctl("show", name, "--property=ExecMainStatus", "--value"))
            _systemctl("stop", name)
        finally:
            (UNITS / name).unlink(missing_ok=True)
            _systemctl("daemon-reload")
        return code, out.read_text(encoding="utf-8")


def unit(service: str, words: Sequence[str], out: Path) -> str:
    """Return the unit that runs `doctor` with these words; `service` is as `systemctl cat` shows it.

    Without ``--config`` among them it is the configuration that the service runs.
    """
    started = re.findall(r"^ExecStart=(\S+) run (\S+)", service, re.MULTILINE)
    if not started:
        raise NoServiceError(f"{UNIT} runs no configuration: look at `systemctl cat {UNIT}`")
    program, config = started[-1]
    if "--config" not in words and "--bench" not in words:
        words = ["--config", config, *words]
    users = re.findall(r"^User=(\S+)", service, re.MULTILINE)
    user = users[-1] if users else UNIT.removesuffix(".service")  # as systemd names one of its own making
    command = " ".join([program, "doctor", *map(_quoted, words)])
    return service + DOCTOR.format(user=user, command=command, longest=LONGEST, out=out)


def _quoted(word: str) -> str:
    for special, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, written)
    return f'"{word}"'


def _systemctl(*words: str) -> str:
    command = ["systemctl", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LONGEST + 60)
    if done.returncode:
        raise NoServiceError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
