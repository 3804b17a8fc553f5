"""Make the demo's bundle from nothing: history of the simulated plant, training, conversion.

python examples/bearing/make_bundle.py --out bearing.bundle
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import track

from converter import ConverterError, convert
from edge_agent.plant.faults import FaultKind
from edge_agent.plant.history import COLUMNS, rows

HERE = Path(__file__).parent
SEEDS = range(100, 112)
"""One rig each. Rigs differ in their imbalance, and each history starts with a cold, standing machine."""
DT = 0.1
FAULTS = [
    FaultKind.BEARING_WEAR,
    FaultKind.CAVITATION,
    FaultKind.BEARING_WEAR,
    FaultKind.SENSOR_STUCK,
    FaultKind.SENSOR_DRIFT,
]
"""Wear counts twice: it is what is to be learnt."""


def write_history(path: Path, seconds: float, console: Console | None = None) -> None:
    """Write the histories of all rigs one after the other; the column `run` says which."""
    with path.open("w", encoding="utf-8") as file:
        print("run", *COLUMNS, sep=",", file=file)
        for seed in track(SEEDS, f"history of {seconds / 3600:g} h", console=console):
            for row in rows(seconds / len(SEEDS), seed, DT, FAULTS):
                print(seed, *row, sep=",", file=file)


def train(history: Path, folder: Path) -> None:
    """Leave bearing.h5 in `folder`. TensorFlow's chatter is shown only if it fails."""
    command = [sys.executable, str(HERE / "train.py"), "--data", str(history), "--out", str(folder)]
    done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise ChildProcessError(f"training failed:\n{done.stderr[-3000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the bundle to write")
    parser.add_argument("--seconds", type=float, default=14400.0, help="history, over all rigs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = folder / "history.csv"
        console = Console(stderr=True)
        write_history(history, options.seconds, console)
        with console.status("training, in a process of its own"):
            train(history, folder)
        with console.status("converting") as status:
            report = convert(
                folder / "bearing.h5",
                history,
                HERE / "card.toml",
                options.out,
                "dynamic_int8",
                progress=status.update,
            )
    print(f"{report.bundle}: {report.size} bytes, largest error {report.comparison.max_error:.4f}")


if __name__ == "__main__":
    try:
        main()
    except (ConverterError, OSError) as error:
        sys.exit(str(error))
