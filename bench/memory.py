"""What the agent's processes hold after ten seconds at 10 Hz, as a service.

    python bench/memory.py

RSS counts pages that both processes share twice; PSS counts them once.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from edge_agent.demo import site
from edge_agent.plant.process import PlantProcess

SETTLED = 10.0


def modbus_only(config: Path) -> Path:
    """The demo's configuration with the two temperatures left to Modbus as well."""
    text = config.read_text(encoding="utf-8")
    start, end = text.index("[device.scada]"), text.index("[machine.pump]")
    config.write_text((text[:start] + text[end:]).replace("scada.", "plc."), encoding="utf-8")
    with (config.parent / "plc-tags.csv").open("a", encoding="utf-8") as tags:
        tags.write("bearing_temp,input,6,int16,,0.1,degC,-20,150\n")
        tags.write("motor_temp,input,7,int16,,0.1,degC,-20,180\n")
    return config


def measure(name: str, config: Path) -> None:
    command = [sys.executable, "-m", "edge_agent", "run", str(config)]
    agent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLED)
        process = psutil.Process(agent.pid)
        held = [p.memory_full_info() for p in (process, *process.children())]
        rss, pss = (sum(getattr(h, kind) for h in held) / 1e6 for kind in ("rss", "pss"))
        each = " + ".join(f"{h.rss / 1e6:.0f}" for h in held)
        print(f"{name:20} RSS {rss:5.0f} MB ({each})   PSS {pss:5.0f} MB")
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(20)


def main() -> None:
    with PlantProcess() as plant, tempfile.TemporaryDirectory() as folder:
        assert plant.opcua_port is not None
        config = site.make(Path(folder), None, plant.modbus_port, plant.opcua_port)
        measure("Modbus and OPC UA", config)
        measure("Modbus", modbus_only(config))


if __name__ == "__main__":
    main()
