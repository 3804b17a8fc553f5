"""What people get wrong: one line that says what and what to do, the exit code, and no file."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from forked import script

from converter.cli import main


def convert(model: Path, data: Path, card: Path, out: Path, *options: str) -> Result:
    arguments = ["convert", str(model), "--data", str(data), "--card", str(card), "-o", str(out), *options]
    done = CliRunner().invoke(main, arguments)
    assert not out.exists()
    return done


def change(card: Path, before: str, after: str) -> None:
    text = card.read_text()
    assert before in text
    card.write_text(text.replace(before, after, 1))


def write(data: Path, rows: np.ndarray, header: str = "a,b") -> None:
    np.savetxt(data, rows, "%.4f", ",", header=header, comments="")


ROWS = np.random.default_rng(0).normal(size=(30, 2))
CONSTANT = ROWS * [1, 0]
HOLES = np.where(np.arange(30)[:, None] % 10 == 3, np.nan, ROWS)


@pytest.mark.parametrize(
    ("rows", "header", "key", "told"),
    [
        (ROWS, "a,bb", "", r"no column b \(did you mean 'bb'\?\); its first line names: a, bb"),
        (HOLES, "a,b", "", r"3 of 30 rows hold .*\(first in data row 4, column 'a'\); repair .* --drop-nan"),
        (ROWS, "a,b", "window = 40", "no 40 rows follow each other, which one window needs"),
        (
            ROWS[:19],
            "a,b",
            "",
            "int8 needs at least 20 training windows to calibrate, there are 19; give more",
        ),
        (
            CONSTANT,
            "a,b",
            "steps = [{ kind = 'standardise' }]",
            r"standardise: column b is constant .*; take it out of the model",
        ),
    ],
)
def test_data_that_does_not_fit_the_card_is_told_before_tensorflow_starts(
    small_card: Path, tmp_path: Path, rows: np.ndarray, header: str, key: str, told: str
) -> None:
    (tmp_path / "two.keras").touch()
    change(small_card, 'period = "1s"\n', f'period = "1s"\n{key}\n')
    write(tmp_path / "data.csv", rows, header)
    done = convert(
        tmp_path / "two.keras", tmp_path / "data.csv", small_card, tmp_path / "x.bundle", "--recipe", "int8"
    )
    assert done.exit_code == 1
    assert re.search(told, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


def test_a_card_with_another_number_of_inputs_than_scales_is_told(small_card: Path, tmp_path: Path) -> None:
    (tmp_path / "two.keras").touch()
    write(tmp_path / "data.csv", ROWS)
    change(
        small_card,
        'period = "1s"\n',
        'period = "1s"\nsteps = [{ kind = "affine", offset = [0, 0, 0], scale = [1] }]\n',
    )
    done = convert(tmp_path / "two.keras", tmp_path / "data.csv", small_card, tmp_path / "x.bundle")
    assert done.exit_code == 78
    assert "steps[0]: offset: 3 numbers for 2 columns; give one, or one for each" in done.stderr


def test_an_operator_that_the_gateway_does_not_have_is_named(small_card: Path, tmp_path: Path) -> None:
    script(Path(__file__).with_name("build_unknown_operator.py"), tmp_path / "determinant")
    write(tmp_path / "data.csv", ROWS)
    done = convert(
        tmp_path / "determinant",
        tmp_path / "data.csv",
        small_card,
        tmp_path / "x.bundle",
        "--recipe",
        "float32",
    )
    assert done.exit_code == 1
    assert "tf.MatrixDeterminant" in done.stderr
    assert done.stderr.count("\n") == 1
