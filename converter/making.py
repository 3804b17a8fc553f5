"""The candidates: one child makes them all, and one that ends the child does not take the others along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from converter import job, process
from converter.dataset import Floats32
from converter.errors import ConverterError
from converter.job import Recipe
from converter.process import TensorFlow, workspace


@dataclass(frozen=True, slots=True)
class Converted:
    """One recipe's model, or in `refusal` why there is none."""

    recipe: Recipe
    made: job.Made | None = None
    tflite: bytes = b""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """What TensorFlow gave: the original's facts, its answers to the windows asked, and the candidates."""

    facts: job.Facts
    answers: Floats32
    converted: list[Converted]


def make(
    task: job.Convert,
    asked: Floats32,
    calibration: Floats32,
    tensorflow: TensorFlow,
    *,
    deadline: float,
    progress: Callable[[str], None],
) -> Making:
    """Convert by every recipe of `task`, in one TensorFlow process unless one of them ends it.

    `asked` and `calibration` are float32[k, size]. `deadline` is for each process. Raises
    `ConverterError` if the original cannot be loaded or asked.
    """
    with workspace() as folder:
        process.save(folder / job.WINDOWS, asked)
        process.save(folder / job.CALIBRATION, calibration)
        endings = _try_all(task, folder, tensorflow, deadline, progress)
        facts = msgspec.json.decode((folder / job.FACTS).read_bytes(), type=job.Facts)
        found = [candidate(recipe, folder / recipe, endings) for recipe in task.recipes]
        return Making(facts, process.answers(folder), found)


def _try_all(
    task: job.Convert,
    folder: Path,
    tensorflow: TensorFlow,
    deadline: float,
    progress: Callable[[str], None],
) -> dict[Recipe, str]:
    """Start a process for the recipes that are left until none is; return those that ended one, and how."""
    endings: dict[Recipe, str] = {}
    told: set[Recipe] = set()

    def tell() -> None:
        for recipe in task.recipes:
            if recipe not in told and (folder / recipe).is_dir():
                told.add(recipe)
                progress(f"converting by recipe {recipe}")

    left = task.recipes
    while left:
        try:
            tensorflow.do(msgspec.structs.replace(task, recipes=left), folder, deadline, tell)
            break
        except process.Died as died:
            before, left = left, [recipe for recipe in left if not (folder / recipe).is_dir()]
            if left == before:
                raise
            guilty = before[len(before) - len(left) - 1]
            endings[guilty] = in_short(died)
    return endings


def in_short(error: ConverterError) -> str:
    """Return the first line of what ended a process."""
    return str(error).partition("\n")[0].removesuffix(". It said last:")


def candidate(recipe: Recipe, folder: Path, endings: Mapping[Recipe, str]) -> Converted:
    """Return what the child left in `folder`; if nothing, how it ended."""
    if (folder / job.FACTS).exists():
        made = msgspec.json.decode((folder / job.FACTS).read_bytes(), type=job.Made)
        return Converted(recipe, made, (folder / job.TFLITE).read_bytes())
    if (folder / job.REFUSAL).exists():
        return Converted(recipe, refusal=(folder / job.REFUSAL).read_text(encoding="utf-8"))
    return Converted(recipe, refusal=endings[recipe])
