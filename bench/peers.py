"""What the benchmarks run against: libmodbus servers, and the bare loop that is the floor."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent import bundle
from edge_agent.demo.site import SHIPPED
from edge_agent.inference.runtime import interpreter_class

HERE = Path(__file__).parent
SERVER = HERE.parent / "tests" / "peers" / "libmodbus" / "server.c"
Spent = dict[str, list[float]]
"""Nanoseconds of every cycle, by stage; `cpu` has one number a block: nanoseconds per cycle."""

CONFIG = """
[agent]
name = "bench"
state = "state"
[device.plc]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
scan = "100ms"
tags = "tags.csv"
[machine.pump]
bundle = "bearing.bundle"
mode = "advisory"
[machine.pump.inputs]
{inputs}
[machine.pump.result]
device = "plc"
table = "holding"
address = 400
"""


def compiled(folder: Path, source: Path) -> Path:
    """Compile a C program that links libmodbus."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "libmodbus"], capture_output=True, text=True, check=True
    )
    program = folder / source.stem
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source), *flags.stdout.split()], check=True)
    return program


@contextmanager
def running(server: Path) -> Iterator[int]:
    """A server; its port."""
    with subprocess.Popen([str(server)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def configuration(folder: Path, port: int) -> Path:
    """50 tags: 25 float32 in holding registers 0..49 and 25 uint16 in input registers 0..24."""
    rows = [f"f{n},holding,{2 * n},float32" for n in range(25)] + [
        f"u{n},input,{n},uint16" for n in range(25)
    ]
    (folder / "tags.csv").write_text("name,table,address,type\n" + "\n".join(rows) + "\n")
    (folder / "bearing.bundle").write_bytes(SHIPPED.read_bytes())
    names = [column.name for column in bundle.read(SHIPPED).manifest.inputs]
    inputs = "\n".join(f'{name} = "plc.f{n}"' for n, name in enumerate(names))
    (folder / "config.toml").write_text(CONFIG.format(port=port, inputs=inputs))
    return folder / "config.toml"


def floor_block(program: Path, port: int, cycles: int, period: float) -> Spent:
    """Run libmodbus and the bare interpreter, and add both."""
    arguments = [str(program), str(port), str(cycles), str(int(period * 1e6))]
    spent: dict[str, Any] = json.loads(subprocess.run(arguments, capture_output=True, check=True).stdout)
    interpreter = interpreter_class()[0](model_content=bundle.read(SHIPPED).model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]
    window = np.zeros(source["shape"], np.float32)
    spent["model"] = []
    start, cpu = time.perf_counter(), 0
    for n in range(cycles):
        time.sleep(max(0.0, start + n * period - time.perf_counter()))
        began, busy = time.perf_counter_ns(), time.thread_time_ns()
        interpreter.set_tensor(source["index"], window)
        interpreter.invoke()
        interpreter.get_tensor(target)
        spent["model"].append(time.perf_counter_ns() - began)
        cpu += time.thread_time_ns() - busy
    spent["cpu"] = [(spent["cpu"] + cpu) / cycles]
    stages = ("read", "model", "write", "back")
    spent["cycle"] = [sum(one) for one in zip(*(spent[stage] for stage in stages), strict=True)]
    return spent
