"""What one would do in a notebook: convert, look, judge by a rig that the model has not seen, look again.

python examples/bearing/explore.py --out folder

leaves conversion.html and evaluation.html in the folder, to open in a browser.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import msgspec

from converter import convert, evaluate
from edge_agent.plant.faults import FaultKind
from edge_agent.plant.history import COLUMNS, rows

HERE = Path(__file__).parent
FAULTS = [FaultKind.BEARING_WEAR, FaultKind.CAVITATION]
PERIOD, SECONDS = 0.1, 600.0


def write_history(path: Path, seeds: list[int]) -> Path:
    """Write ten minutes of each rig; the column `run` says which."""
    lines = [",".join(["run", *COLUMNS])]
    lines += [
        ",".join(map(str, [seed, *row])) for seed in seeds for row in rows(SECONDS, seed, PERIOD, FAULTS)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a directory that exists")
    out: Path = parser.parse_args().out
    history = write_history(out / "history.csv", [102, 103])
    subprocess.run([sys.executable, HERE / "train.py", "--data", history, "--out", out], check=True)
    model, card, bundle = out / "bearing.h5", HERE / "card.toml", out / "bearing.bundle"

    report = convert(model, history, card, bundle, html=out / "conversion.html")
    (out / "conversion.json").write_bytes(msgspec.json.encode(report))
    for tried in report.candidates:
        print("*" if tried.chosen else " ", f"{tried.recipe}: {tried.reason}")

    unseen = write_history(out / "unseen.csv", [8])
    (found,) = evaluate(bundle, unseen, card=card, model=model, html=out / "evaluation.html").outputs
    for metric, value in found.paths["gateway"].items():
        print(f"{metric}: {value:.4g}, before the conversion {found.paths['keras'][metric]:.4g}")


if __name__ == "__main__":
    main()
