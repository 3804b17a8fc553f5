"""Cross-validation: train anew for each fold, judge by what was left out."""

from pathlib import Path

import numpy as np

from converter import job, process
from converter.dataset import Floats32
from converter.errors import ConverterError
from converter.process import TensorFlow, workspace
from converter.table import Floats, Integers
from edge_agent.core.manifest import Manifest
from edge_agent.core.preparation import Preparation

_SEED = 0


def plan(ends: Integers, manifest: Manifest, count: int, train: str, *, forward: bool = False) -> job.Folds:
    """Plan `count` folds; `train` is ``script.py:function``; `forward` trains on the past alone.

    Raises `ConverterError`.
    """
    script, _, function = train.rpartition(":")
    if not script or not function:
        raise ConverterError(f"{train!r} does not say what trains a fold; give script.py:function")
    trains, tests = (split_forward if forward else split)(ends, Preparation(manifest).span, count)
    return job.Folds(
        script=str(Path(script).absolute()),
        function=function,
        shapes=[t.shape for t in manifest.model.inputs],
        train=[indices.tolist() for indices in trains],
        test=[indices.tolist() for indices in tests],
    )


def answers(planned: job.Folds, asked: Floats32, targets: Floats, deadline: float, verbose: bool) -> Floats32:
    """Return to every window the packed answer of the model trained without it. Raises `ConverterError`.

    `targets` are float64[k, outputs], in units of the answers.
    """
    with workspace() as folder, TensorFlow(verbose) as tensorflow:
        np.save(folder / job.WINDOWS, asked)
        np.save(folder / job.TARGETS, targets)
        tensorflow.do(planned, folder, deadline)
        return process.answers(folder)


def split(ends: Integers, window: int, count: int) -> tuple[list[Integers], list[Integers]]:
    """Return the training and the test indices of each fold, into `ends`, the last rows of the windows.

    Single rows are shuffled with a fixed seed. Longer windows stay in blocks of time, and the windows on
    both sides of a block that share a row with it are not trained on. Raises `ConverterError`.
    """
    if not 2 <= count <= len(ends):
        raise ConverterError(f"{count} folds of {len(ends)} windows: 2 to {len(ends)} are possible")
    order = np.arange(len(ends))
    if window == 1:
        order = np.random.default_rng(_SEED).permutation(order)
    tests = [np.sort(block) for block in np.array_split(order, count)]
    if window == 1:
        return [np.setdiff1d(order, test) for test in tests], tests
    trains = []
    for test in tests:
        near = (ends > ends[test[0]] - window) & (ends < ends[test[-1]] + window)
        trains.append(np.flatnonzero(~near))
        if not len(trains[-1]):
            raise ConverterError(f"{count} folds leave nothing to train on; give more data or fewer folds")
    return trains, tests


def split_forward(ends: Integers, window: int, count: int) -> tuple[list[Integers], list[Integers]]:
    """Return indices as `split` does, each block of time tested by what came before it.

    The data is cut into ``count + 1`` blocks; the first is only trained on. A window that shares a row with
    the block to test is not trained on. Raises `ConverterError`.
    """
    if not 1 <= count < len(ends):
        raise ConverterError(
            f"{count} folds in time of {len(ends)} windows: 1 to {len(ends) - 1} are possible"
        )
    _, *tests = np.array_split(np.arange(len(ends)), count + 1)
    trains = [np.flatnonzero(ends <= ends[test[0]] - window) for test in tests]
    if not len(trains[0]):
        raise ConverterError(f"{count} folds in time leave the first nothing to train on; give fewer folds")
    return trains, tests
