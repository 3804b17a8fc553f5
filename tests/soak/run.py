"""The soak: a line of three PLCs and one agent, a fault every few seconds, for as long as you like.

    make soak MINUTES=60

Ends with 1 if a promise was broken, if results did not come back after a fault, or if agent or model grew.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import faults
from agent_process import small_bundle
from plc_line import Line
from rich.progress import Progress
from watch import HIGH, LOW, SETPOINT, Watch

BACK = 40.0
"""Seconds within which every PLC has to get results again: more than the longest pause of any retry."""
ROOM, MODEL_ROOM, MORE_FDS = 3.0, 1.0, 3
"""MB of the agent and of the child that lived longest, and descriptors: more in the last third."""

ACTIVE = f"""
[machine.alpha.permit]
permissive = "a.permissive"
heartbeat = "a.beat"
timeout = "3s"
[[machine.alpha.outputs]]
device = "a"
tag = {{ name = "sp", table = "holding", address = {SETPOINT}, type = "uint16", low = {LOW}, high = {HIGH} }}
follows = "score"
step = 50
fallback = 1450
"""
SIGNALS = """\
  {name = "permissive", table = "discrete", address = 1, type = "bool"},
  {name = "beat", table = "input", address = 13, type = "uint16"},
"""


def activate(line: Line) -> None:
    """Let machine alpha write its output, too."""
    text = line.config.read_text(encoding="utf-8")
    a, b, c = text.partition("[device.b]")
    a = a.replace("tags = [\n", f"tags = [\n{SIGNALS}")
    c = c.replace('mode = "advisory"', 'mode = "active"', 1)
    c = c.replace("[machine.beta]", f"{ACTIVE}[machine.beta]")
    head, mark, tail = (a + b + c).partition("[device.c]")
    line.config.write_text(head + mark + tail.replace('"300ms"', '"300ms" # c', 1), encoding="utf-8")


def soak(line: Line, minutes: float, dice: random.Random, watch: Watch, done: Counter[str]) -> None:
    """Do faults until the time is over. Raises AssertionError if results do not come back."""
    end = time.monotonic() + 60 * minutes
    with Progress() as progress:
        task = progress.add_task("soak", total=60 * minutes)
        while (left := end - time.monotonic()) > 0 and not watch.broken:
            fault = dice.choice(faults.ALL)
            progress.update(task, completed=60 * minutes - left, description=fault.__name__)
            fault(line, dice)
            done[fault.__name__] += 1
            for name in "abc":
                line.advances(name, BACK)
            time.sleep(dice.uniform(0, 2))


def main() -> int:
    """Run, print what was seen as JSON, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        model = Path(folder) / "model.tflite"
        build = [sys.executable, Path(__file__).parents[1] / "build_dense.py", model]
        subprocess.run(build, check=True, capture_output=True)
        small_bundle(Path(folder) / "small.bundle", model.read_bytes())
        line = Line(Path(folder), stack)
        activate(line)
        stack.enter_context(line.agent)
        line.settle()
        with Watch(line) as watch:
            try:
                soak(line, arguments.minutes, random.Random(arguments.seed), watch, done)
            except AssertionError as error:
                watch.broken.append(f"{error}; the log ends with {line.agent.lines[-20:]}")
        status = line.agent.status()
        if line.agent.terminate() != 0:
            watch.broken.append("it did not end in order")
        verify = [sys.executable, "-m", "edge_agent", "audit", "verify", str(line.config)]
        audit = subprocess.run(verify, check=False, capture_output=True, text=True, timeout=300)
        if audit.returncode:
            watch.broken.append(audit.stdout + audit.stderr)
    longest = max(watch.models.values(), key=lambda grown: len(grown.rss))
    for name, grown, room in [("agent", watch.agent, ROOM), ("model", longest, MODEL_ROOM)]:
        more_rss, more_fds = grown.more()
        if more_rss > room or more_fds > MORE_FDS:
            watch.broken.append(f"the {name} grew by {more_rss:.1f} MB, {more_fds:g} descriptors")
    report = {
        "minutes": arguments.minutes,
        "seed": arguments.seed,
        "faults": dict(done),
        "seen": dict(watch.seen),
        "agent": watch.agent.report(),
        "models": len(watch.models),
        "longest_model": longest.report(),
        "history": [status["history_committed"], status["history_lost"]],
        "scans": status["scans"],
        "audit": audit.stdout.strip(),
        "broken": watch.broken,
    }
    print(json.dumps(report, indent=2))
    return bool(watch.broken)


if __name__ == "__main__":
    sys.exit(main())
