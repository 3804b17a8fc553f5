"""A directory of models, converted: seconds of each, and what the parent and its workers hold meanwhile.

    python bench/many_models.py --models 100 --jobs 2

The models are 2-8-1 networks with 300 rows each, by recipe float32: what is measured is what each model costs
whatever its size.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

from converter import convert, directory, engines, fleet
from converter.loading import AS_IT_IS

BUILD = Path(__file__).parents[1] / "tests/converter/build_many_models.py"
CARD = """name = "pump"
version = "1"
period = "1s"
inputs = [{ name = "a" }, { name = "b" }]
outputs = [{ name = "y", kind = "value" }]
"""


def held() -> tuple[float, float]:
    """Megabytes resident in this process, and in its workers, which hold the data."""
    workers = [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]
    return psutil.Process().memory_info().rss / 1e6, sum(w.memory_info().rss for w in workers) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "models", Path(name) / "bundles"
        folder.mkdir()
        out.mkdir()
        (Path(name) / "card.toml").write_text(CARD)
        subprocess.run([sys.executable, BUILD, folder, str(given.models)], check=True, capture_output=True)
        items = directory.find(folder, None, Path(name) / "card.toml")
        began = time.monotonic()
        with engines.processes(given.jobs) as executor:
            job = partial(convert, recipe="float32", loading=AS_IT_IS)
            for done, outcome in enumerate(fleet.convert_all(items, out, executor, job), 1):
                assert not outcome.problem, outcome.problem
                if done % 10 == 0 or done <= given.jobs:
                    parent, workers = held()
                    took = f"{time.monotonic() - began:6.1f} s, the last one {outcome.seconds:5.1f} s"
                    told = f"{done:4} models {took}, parent {parent:5.1f} MB, workers {workers:5.1f} MB"
                    print(told, flush=True)


if __name__ == "__main__":
    main()
