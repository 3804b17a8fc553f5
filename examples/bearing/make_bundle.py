"""Make the demo's bundle from nothing: history of the simulated plant, training, conversion.

python examples/bearing/make_bundle.py --out bearing.bundle
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

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


def write_history(path: Path, seconds: float) -> None:
    """Write the histories of all rigs one after the other; the column `run` says which."""
    with path.open("w", encoding="utf-8") as file:
        print("run", *COLUMNS, sep=",", file=file)
        for seed in SEEDS:
            for row in rows(seconds / len(SEEDS), seed, DT, FAULTS):
                print(seed, *row, sep=",", file=file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the bundle to write")
    parser.add_argument("--seconds", type=float, default=14400.0, help="history, over all rigs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = folder / "history.csv"
        write_history(history, options.seconds)
        # TensorFlow stays in a process of its own, as it does inside the converter.
        subprocess.run(
            [sys.executable, str(HERE / "train.py"), "--data", str(history), "--out", name], check=True
        )
        report = convert(folder / "bearing.h5", history, HERE / "card.toml", options.out, "dynamic_int8")
    print(f"{report.bundle}: {report.size} bytes, error {report.comparison.max_error:.4f}")


if __name__ == "__main__":
    try:
        main()
    except (ConverterError, subprocess.CalledProcessError, OSError) as error:
        sys.exit(str(error))
