"""What it costs to make the model's input of one row: `Pipeline.take`, in processor time.

    python bench/take.py [--rows 2000] [--rounds 30]

Ten inputs and a window of ten rows, with the steps that the first column names. The least of all rounds is
what the code costs; the median shows what else the machine did.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from edge_agent.core.manifest import Input, InputTensor, Manifest, Model, Origin, Output, OutputTensor
from edge_agent.core.pipeline import Pipeline
from edge_agent.core.preparation import Preparation
from edge_agent.core.steps import Affine, Step
from edge_agent.core.steps.change import Difference
from edge_agent.core.steps.rolling import RollingKurtosis, RollingRms
from edge_agent.core.tags import Columns, Quality

WIDTH, WINDOW = 10, 10
SCALED = Affine(offset=[1.0], scale=[2.0])
CASES: dict[str, list[Step]] = {
    "none": [],
    "affine": [SCALED],
    "difference, affine": [Difference(), SCALED],
    "rolling_rms of 60, affine": [RollingRms(rows=60), SCALED],
    "rolling_kurtosis of 60, affine": [RollingKurtosis(rows=60), SCALED],
}


def manifest(steps: list[Step]) -> Manifest:
    """A bundle of ten inputs with these steps."""
    inputs = [Input(name=f"t{i}", min=0, max=1, mean=0, std=1) for i in range(WIDTH)]
    window = InputTensor(name="window", shape=[1, WINDOW, WIDTH], columns=[i.name for i in inputs])
    answer = OutputTensor(name="answer", shape=[1, 1], tolerance=1e-5)
    return Manifest(
        schema=2,
        name="take",
        version="1",
        sequence=1,
        inputs=inputs,
        period=1.0,
        window=WINDOW,
        max_gap=2.0,
        steps=steps,
        outputs=[Output(name="y", kind="value", tensor="answer")],
        model=Model(recipe="float32", inputs=[window], outputs=[answer], ops=[]),
        origin=Origin(converter="", tools={}, model_sha256="", data_sha256=""),
        parts={},
    )


def measured(steps: list[Step], rows: int, rounds: int) -> Sequence[float]:
    """Return the processor time of a row in each round, in us."""
    bundle = manifest(steps)
    pipeline, tick = Pipeline(bundle), 0
    good, fine = np.full(WIDTH, Quality.GOOD, np.uint8), np.zeros(WIDTH, np.uint8)
    image = Columns(np.arange(float(WIDTH)), good, fine, np.zeros(WIDTH, np.int64)).frozen()
    for tick in range(Preparation(bundle).span):
        pipeline.take(tick, image)
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(rows):
            tick += 1
            pipeline.take(tick, image)
        found.append((time.process_time() - began) / rows * 1e6)
    return found


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int, default=2000)
    arguments.add_argument("--rounds", type=int, default=30)
    chosen = arguments.parse_args()
    print(f"{'steps':<34}{'least, us':>10}{'median':>10}")
    for name, steps in CASES.items():
        found = measured(steps, chosen.rows, chosen.rounds)
        print(f"{name:<34}{min(found):10.1f}{np.median(found):10.1f}")


if __name__ == "__main__":
    main()
