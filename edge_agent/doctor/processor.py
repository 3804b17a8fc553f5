"""The processor and the runtime: what runs the models here, and whether it runs them as fast as it can."""

import json
import os
import platform
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_agent.doctor.finding import Finding, bad, warn, well

DEADLINE = 60.0
"""Seconds for the runtime to start and prepare a model."""


def look() -> list[Finding]:
    """Look at processor, runtime and event loop."""
    return [processor(), *_runtime(), event_loop()]


def model_name() -> str:
    """Return what the processor calls itself, its architecture where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def processor() -> Finding:
    """Judge how many cores this process may use."""
    cores = len(os.sched_getaffinity(0))
    says = f"{model_name()}, {cores} core{'s' if cores > 1 else ''}"
    if cores < 2:
        return warn(
            "processor", says, "agent and model take turns on one core: watch the overruns in `status`"
        )
    return well("processor", says)


def event_loop() -> Finding:
    """Say which event loop there is."""
    try:
        return well("event loop", f"uvloop {version('uvloop')}")
    except PackageNotFoundError:
        return well("event loop", "asyncio; uvloop would poll with less CPU")


def _runtime() -> list[Finding]:
    command = [sys.executable, "-P", "-m", "edge_agent.doctor.delegate"]
    try:
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        return [bad("runtime", f"no answer within {DEADLINE:g} s", "look at what else runs on this box")]
    if ended.returncode:
        return [died(ended.returncode, ended.stderr)]
    told = json.loads(ended.stdout)
    return [well("runtime", told["runtime"]), xnnpack(told["runtime"], taken=told["xnnpack"])]


def died(code: int, stderr: str) -> Finding:
    """Say why there is no runtime."""
    if code < 0:
        todo = "do not hide /proc/cpuinfo and /sys from the agent (ProcSubset=pid, InaccessiblePaths=/sys)"
        return bad("runtime", f"ended by {signal.Signals(-code).name} while preparing a model", todo)
    last = stderr.strip().splitlines()[-1] if stderr.strip() else f"exit code {code}"
    return bad("runtime", last, "pip install ai-edge-litert (tflite-runtime on 32-bit ARM)")


def xnnpack(runtime: str, *, taken: bool) -> Finding:
    """Judge whether models run on XNNPACK's kernels."""
    if taken:
        return well("XNNPACK", "in use")
    todo = "models run up to 160 times slower: do not hide /proc/cpuinfo (systemd: ProcSubset=all)"
    return warn("XNNPACK", f"{runtime} runs models without it", todo)
