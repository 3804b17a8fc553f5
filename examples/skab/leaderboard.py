"""SKAB by the protocol of its leaderboard: the first 400 rows train, the rest test, pooled, by the agent.

Every recording gets a model of its own by one recipe, with one limit for all; nothing is tuned to a
recording. Strictly causal: the alarm in a row is what the agent had said when that row came.
"""

import argparse
import csv
import logging
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edge_agent import bundle
from edge_agent.config import load
from edge_agent.history.flight import read_flight
from edge_agent.plant.process import PlantProcess
from edge_agent.replaying.columns import Named, of_card
from edge_agent.replaying.replay import replay

HERE = Path(__file__).parent
CARD = HERE / "leaderboard_card.toml"
INPUTS = {"vibration_1": 0, "vibration_2": 2, "current": 4, "pressure": 6, "voltage": 12, "flow": 14}
"""Where the plant's PLC shows the columns of a recording, each a float32."""
ROW = 200
"""Where it shows the number of the row."""

Bools = npt.NDArray[np.bool_]


def configuration(path: Path, ports: dict[str, int], period: float) -> Path:
    """Write a configuration with one PLC and one machine for each recording, by name."""
    text = f'[agent]\nname = "skab"\nstate = "{path.stem}-state"\n'
    for name, port in ports.items():
        tags = [f'{{name = "row", table = "input", address = {ROW}, type = "uint32"}}']
        tags += [
            f'{{name = "{tag}", table = "input", address = {address}, type = "float32"}}'
            for tag, address in INPUTS.items()
        ]
        inputs = ", ".join(f'{tag} = "rig{name}.{tag}"' for tag in INPUTS)
        text += (
            f'[device.rig{name}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
            f"scan = {period}\ntags = [{', '.join(tags)}]\n"
            f'[machine.pump{name}]\nbundle = "{path.stem}-{name}.bundle"\nmode = "advisory"\n'
            f"inputs = {{ {inputs} }}\n"
            f'[machine.pump{name}.result]\ndevice = "rig{name}"\ntable = "holding"\naddress = 400\n'
        )
        made = bundle.read(path.with_name(f"{name}.bundle"))
        paced = msgspec.structs.replace(made.manifest, period=period, max_gap=2 * period)
        bundle.write(path.with_name(f"{path.stem}-{name}.bundle"), paced, made.model, made.known)
    path.write_text(text, encoding="utf-8")
    return path


def replayed(recording: Path, out: Path) -> Bools:
    """Return the alarm in every row of a recording, by replay."""
    config = configuration(out / "replay.toml", {recording.stem: 1}, 1.0)
    rows = out / f"{recording.stem}.rows.csv"
    replay(load(config), recording, rows, Named(inputs=of_card(CARD)), rows_are_ticks=True)
    with rows.open(newline="", encoding="utf-8") as file:
        return np.array([row["alarm"] == "1" for row in csv.DictReader(file)])


def live(recordings: list[Path], out: Path, period: float) -> dict[str, Bools]:
    """Return the alarms in every row of all recordings, played at once by PLCs over Modbus to one agent.

    A row is told from the next by its number, which the agent reads and keeps with the result.
    """
    lengths = {path.stem: sum(1 for _ in path.open()) - 1 for path in recordings}
    with ExitStack() as stack:
        ports = {}
        for path in recordings:
            options = ("--no-opcua", "--playback", str(path), "--period", str(period), "--hold-first", "60")
            ports[path.stem] = stack.enter_context(PlantProcess(*options)).modbus_port
        config = configuration(out / "live.toml", ports, period)
        agent = subprocess.Popen([sys.executable, "-m", "edge_agent", "run", str(config)])
        time.sleep(90 + period * max(lengths.values()))
        agent.terminate()
        agent.wait(30)
    return {name: _kept(out / "live-state", name, length) for name, length in lengths.items()}


def _kept(state: Path, name: str, length: int) -> Bools:
    """Return the last alarm that the history has for each row; one that was not read has that before it."""
    rows: dict[int, int] = {}
    for block in read_flight(state / "flight"):
        shown = block.value[:, block.layout.tags.index(f"rig{name}.row")]
        rows |= {int(now): int(row) for now, row in zip(block.now, shown, strict=True) if 0 <= row < 2**31}
    with sqlite3.connect(state / "history.db") as history:
        kept = history.execute(
            "SELECT monotonic, alarm FROM result WHERE machine = ? ORDER BY id", (f"pump{name}",)
        ).fetchall()
    alarms = {rows[now]: bool(alarm) for now, alarm in kept if now in rows}
    print(f"{name}: {len(alarms)} of {length} rows read over Modbus")
    found, last = np.zeros(length, np.bool_), False
    for row in range(length):
        found[row] = last = alarms.get(row, last)
    return found


def judge(alarms: dict[str, Bools], labels: dict[str, Bools], healthy: int = 400) -> str:
    """Say F1, false alarm rate and missed alarm rate over all rows that did not train."""
    said = np.concatenate([alarm[healthy:] for alarm in alarms.values()])
    truth = np.concatenate([labels[name][healthy:] for name in alarms])
    hits = int((said & truth).sum())
    f1 = 2 * hits / int(said.sum() + truth.sum())
    far, mar = float(said[~truth].mean()), 1 - hits / int(truth.sum())
    return f"F1 {f1:.3f}, false alarm rate {far:.1%}, missed alarm rate {mar:.1%} over {len(said)} rows"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings, such as valve1")
    parser.add_argument("--out", type=Path, required=True, help="where leaderboard_train.py put the bundles")
    parser.add_argument(
        "--live", type=float, metavar="PERIOD", help="over Modbus, a row every PERIOD seconds"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    recordings = sorted(options.data.glob("*.csv"), key=lambda path: (len(path.stem), path.stem))
    labels = {}
    for path in recordings:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, delimiter=";")
            labels[path.stem] = np.array([float(row["anomaly"]) > 0 for row in rows])
    alarms = {path.stem: replayed(path, options.out) for path in recordings}
    print("replay:", judge(alarms, labels))
    if options.live:
        seen = live(recordings, options.out, options.live)
        print("live:  ", judge(seen, labels))
        same = sum(int((seen[name] == alarms[name]).sum()) for name in seen)
        print(f"the same alarm in {same} of {sum(map(len, seen.values()))} rows")


if __name__ == "__main__":
    main()
