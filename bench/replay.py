"""How many cycles replay plays in a minute: ten tags, the bearing's dense model of 80-32-16-1."""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge_agent import bundle
from edge_agent.demo import play

BUNDLE = Path(play.__file__).with_name("bearing.bundle")
MORE = 2
"""Tags beside the eight that the model takes."""


def write(folder: Path, cycles: int, mode: str) -> tuple[Path, Path]:
    """Write a configuration and a recording; return their paths."""
    manifest = bundle.read(BUNDLE).manifest
    names = [i.name for i in manifest.inputs] + [f"more_{n}" for n in range(MORE)]
    tags = ", ".join(
        f'{{name = "{name}", table = "input", address = {2 * n}, type = "float32"}}'
        for n, name in enumerate(names)
    )
    inputs = ", ".join(f'{i.name} = "plc.{i.name}"' for i in manifest.inputs)
    config, data = folder / "c.toml", folder / "h.csv"
    config.write_text(
        '[device.plc]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\n'
        f"scan = {manifest.period}\ntags = [{tags}]\n"
        f'[machine.pump]\nbundle = "{BUNDLE}"\nmode = "{mode}"\ninputs = {{ {inputs} }}\n'
        '[machine.pump.result]\ndevice = "plc"\ntable = "holding"\naddress = 400\n',
        encoding="utf-8",
    )
    mean, std = ([*(getattr(i, of) for i in manifest.inputs), *[0.0] * MORE] for of in ("mean", "std"))
    rows = np.random.default_rng(1).normal(mean, np.array(std) / 3, (cycles, len(names)))
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *names])
        writer.writerows([f"{n * manifest.period:.3f}", *row] for n, row in enumerate(rows.round(4).tolist()))
    return config, data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100_000)
    options = parser.parse_args()
    for mode in ("shadow", "advisory"):
        with tempfile.TemporaryDirectory() as folder:
            config, data = write(Path(folder), options.cycles, mode)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "edge_agent", "replay", str(config), "--json"]
            command += ["--data", str(data), "-o", str(Path(folder) / "rows.csv")]
            done = subprocess.run(command, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = json.loads(done.stdout)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        pace = 60 * said["cycles"] / said["seconds"]
        print(
            f"{mode:<9} {said['cycles']} cycles in {said['seconds']:.1f} s, {pace:,.0f} a minute; "
            f"{1e6 * cpu / said['cycles']:.0f} us of CPU each, start and child included"
        )


if __name__ == "__main__":
    main()
