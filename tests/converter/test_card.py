import re
from pathlib import Path

import pytest

from converter import CardError
from converter.card_file import load

EXAMPLES = Path(__file__).parents[2] / "examples"


def write(folder: Path, text: str) -> Path:
    path = folder / "card.toml"
    path.write_text(text)
    return path


def test_every_problem_of_a_card_is_told_at_once_with_file_and_key(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        name = "pump"
        perod = "1s"
        window = "ten"
        [[inputs]]
        name = "a"
        unt = "bar"
        [[inputs]]
        unit = "mm/s"
        [[outputs]]
        name = "y"
        kind = "probabilty"
        [outputs.limits]
        on = 0.5
        off = 0.4
        on_delay = "soon"
        """,
    )
    with pytest.raises(CardError) as caught:
        load(path)
    told = "\n".join(caught.value.problems)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    assert "perod: unknown key; did you mean 'period'?" in told
    assert "version: is missing" in told
    assert "period: is missing" in told
    assert "window: expected int, got 'ten'" in told
    assert "inputs[0].unt: unknown key; did you mean 'unit'?" in told
    assert "inputs[1].name: is missing" in told
    assert "outputs[0].kind: must be 'probability' or" in told
    assert "outputs[0].limits.on_delay: expected a duration" in told
    assert len(caught.value.problems) == 8


def test_contradictions_are_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        name = "pump"
        version = "1"
        period = 1
        window = 0
        train_rows = 0
        [[inputs]]
        name = "a"
        [[inputs]]
        name = "a"
        [[steps]]
        kind = "affine"
        offset = [0.0]
        scale = [0.0, 1.0]
        [[outputs]]
        name = "y"
        kind = "probability"
        scale = 2.0
        [outputs.limits]
        on = 0.5
        off = 0.6
        """,
    )
    with pytest.raises(CardError) as caught:
        load(path)
    keys = [problem.removeprefix(f"{path}: ").partition(":")[0] for problem in caught.value.problems]
    assert keys == [
        "inputs", "window", "train_rows",
        "steps[0]", "outputs[0].scale", "outputs[0].limits.off",
    ]  # fmt: skip


INPUTS = (
    'name="p"\nversion="1"\nperiod=1\ninputs=[{name="a"},{name="b"}]\noutputs=[{name="y",kind="value"}]\n'
)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('[steps]\nkind = "standardise"', r"steps: must be \[\[steps\]\], one table for each step"),
        ("[[steps]]\nrows = 2", r"steps\[0\].kind: is missing; known: affine, "),
        ('[[steps]]\nkind = "standardize"', r"steps\[0\].kind: 'standardize' is not installed; did you mean"),
        ('[[steps]]\nkind = "clip"\nlo = [1]', r"steps\[0\].lo: unknown key; did you mean 'low'"),
        ('[[steps]]\nkind = "log"', r"steps\[0\].floor: is missing"),
        (
            '[[steps]]\nkind = "clip"\n[[steps]]\nkind = "rate"\ncolumns = ["c"]',
            r"steps\[1\]: there is no column 'c' here, only a, b",
        ),
        ('[[steps]]\nkind = "calendar"', "time: a step asks for the wall time; name the column"),
        ("min_good = 1.5", "min_good: 1.5 is no share"),
        ('[tensors]\nc = "x"', "tensors.c: the steps make no such column"),
        ('[[constants]]\nname = "a"', "inputs: 'a' is there 2 times"),
        ('[[constants]]\nname = "time"', "inputs: 'time' is the column of the wall time"),
    ],
)
def test_a_step_that_cannot_be_is_told_by_its_place(tmp_path: Path, given: str, told: str) -> None:
    with pytest.raises(CardError, match=told):
        load(write(tmp_path, INPUTS + given))


def test_a_waveform_is_an_input_for_each_of_its_samples(tmp_path: Path) -> None:
    text = INPUTS.replace('{name="b"}', '{name="vib",column="v",elements=3,unit="g"}')
    inputs = load(write(tmp_path, text)).inputs
    assert [(i.name, i.source, i.unit) for i in inputs] == [
        ("a", "a", ""),
        *((f"vib[{i}]", f"v[{i}]", "g") for i in range(3)),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [('"100ms"', 0.1), ("2", 2), ("0.5", 0.5), ('"5 min"', 300), ('"1h"', 3600)]
)
def test_a_duration_is_a_number_or_has_a_unit(tmp_path: Path, text: str, seconds: float) -> None:
    path = write(
        tmp_path,
        f'name="p"\nversion="1"\nperiod={text}\ninputs=[{{name="a"}}]\noutputs=[{{name="y",kind="value"}}]',
    )
    assert load(path).period == seconds


def test_a_card_that_is_not_toml_or_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"card\.toml: not TOML: .*line 3"):
        load(write(tmp_path, "period = 1\nname = [\nversion"))
    with pytest.raises(CardError, match="No such file"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", ["xor", "line_efficiency", "bearing"])
def test_the_cards_of_the_examples_are_good(name: str) -> None:
    assert load(EXAMPLES / name / "card.toml").inputs


OUTPUT = '[[outputs]]\nname = "y"\n'


@pytest.mark.parametrize(
    ("output", "key", "says"),
    [
        ('kind = "class"\n', "outputs[0].classes", "name at least two classes"),
        ('kind = "class"\nclasses = ["a", "a"]\n', "outputs[0].classes", "'a' is there 2 times"),
        ('kind = "class"\nclasses = ["a", "b"]\nnormal = "c"\n', "outputs[0].normal", "'c' is no class"),
        (
            'kind = "class"\nclasses = ["a", "b"]\nlimits = { on = 1, off = 1 }\n',
            "outputs[0].limits",
            "say which class is normal",
        ),
        ('kind = "forecast"\nof = "b"\nhorizon = 1\n', "outputs[0].of", "did you mean|known: a"),
        ('kind = "forecast"\nof = "a"\n', "outputs[0].horizon", "0 rows"),
        (
            'kind = "probability"\nhorizon = 3\n',
            "outputs[0].horizon",
            "for kind 'forecast', not 'probability'",
        ),
        ('kind = "value"\nnormal = "a"\n', "outputs[0].normal", "for kind 'class', not 'value'"),
        ('kind = "value"\n' + OUTPUT + 'kind = "value"\n', "outputs", "'y' is there 2 times"),
    ],
)
def test_an_output_that_contradicts_itself_is_told_by_its_key(
    tmp_path: Path, output: str, key: str, says: str
) -> None:
    path = write(
        tmp_path, f'name="p"\nversion="1"\nperiod=1\nsequence=1\ninputs=[{{name="a"}}]\n{OUTPUT}{output}'
    )
    with pytest.raises(CardError, match=says) as caught:
        load(path)
    assert [problem.removeprefix(f"{path}: ").partition(": ")[0] for problem in caught.value.problems] == [
        key
    ]


def test_the_cards_in_the_documents_are_good(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "docs/card.md").read_text()
    whole, *parts = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert load(write(tmp_path, whole)).outputs[0].limits
    top, _, rest = whole.partition("[[inputs]]")
    inputs, _, outputs = rest.partition("[[outputs]]")
    kinds = set()
    for part in parts:
        if part.startswith("[[inputs]]"):
            card = load(write(tmp_path, f"{top}{part}[[outputs]]{outputs}"))
            assert all(i.tensor for i in card.inputs) or "tensor" not in part
        elif part.startswith("[[steps]]"):
            assert len(load(write(tmp_path, f"{top}[[inputs]]{inputs}{part}[[outputs]]{outputs}")).steps) == 5
        else:
            kinds |= {o.kind for o in load(write(tmp_path, f"{top}[[inputs]]{inputs}{part}")).outputs}
    assert kinds == {"probability", "value", "reconstruction_error", "class", "forecast"}
