"""Every architecture by every recipe, run by what the gateway runs it with."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from forked import script

from converter import batching, compare, gateway, graph, recipes
from converter.judging import NOTHING
from converter.recipes import RECIPES, Name
from edge_agent import bundle
from edge_agent.core.manifest import (
    Input,
    InputTensor,
    Manifest,
    Model,
    Origin,
    Output,
    OutputTensor,
)
from edge_agent.core.steps import Affine
from edge_agent.inference.model import SIZES
from edge_agent.inference.model import Model as Inference

pytestmark = pytest.mark.timeout(600)  # fifteen models are built for the first of them

PLAIN = [
    "dense", "batch_norm", "layer_norm", "conv1d", "conv2d", "depthwise", "separable", "tcn", "transformer",
    "normalization",
]  # fmt: skip
RECURRENT = ["gru", "lstm", "stacked", "bidirectional", "lstm_autoencoder"]
THOROUGHLY = ["dense", "conv1d", "tcn", "transformer"]
LARGEST: dict[str, float] = {"float16": 0.002, "dynamic_int8": 0.03, "int8_io": 0.1, "int16x8": 0.04}
"""Errors as fractions of the output's range, about twice what was measured."""
LARGEST_INT8 = {"layer_norm": 0.15}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("architectures")
    script(Path(__file__).with_name("build_architectures.py"), folder)
    return folder


def unsealed(model: bytes, recipe: Name, answers: np.ndarray) -> bundle.Bundle:
    """Return a bundle, never written, of a model of 24 rows of 4 inputs."""
    manifest = Manifest(
        schema=2,
        name="architecture",
        version="1",
        sequence=1,
        inputs=[Input(name=name, min=-1, max=1, mean=0, std=1) for name in "abcd"],
        period=1.0,
        window=24,
        max_gap=0.0,
        steps=[Affine(offset=[0.0] * 4, scale=[1.0] * 4)],
        outputs=[Output(name="y", kind="value", tensor="answer")],
        model=Model(
            recipe=recipe,
            inputs=[InputTensor(name="window", shape=[1, 24, 4], columns=list("abcd"))],
            outputs=[OutputTensor(name="answer", shape=[1, *answers.shape[1:]], tolerance=0.0)],
            ops=[],
        ),
        origin=Origin(converter="0", tools={}, model_sha256="", data_sha256=""),
        parts={},
    )
    return bundle.Bundle(manifest, model, NOTHING, "")


def answered(model: bytes, asked: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Run it as the gateway's child does, in this process."""
    inference = Inference(model)
    inference.prepare([[1, 24, 4]], [[1, *original.shape[1:]]])
    return inference.run(asked).reshape(original.shape)


def model_of(built: Path, architecture: str, recipe: str) -> bytes:
    refusal = built / architecture / recipe / "refusal.txt"
    assert not refusal.exists(), refusal.read_text()
    return (built / architecture / recipe / "model.tflite").read_bytes()


@pytest.mark.parametrize("architecture", PLAIN + RECURRENT)
def test_float32_is_exact_in_the_gateways_child_and_needs_no_foreign_operator(
    built: Path, architecture: str
) -> None:
    model = model_of(built, architecture, "float32")
    original = np.load(built / architecture / "answers.npy")
    answers = asyncio.run(gateway.answer(unsealed(model, "float32", original), np.load(built / "asked.npy")))
    assert np.ptp(original) > 0.01
    assert np.abs(answers.reshape(original.shape) - original).max() <= 1e-5 * np.ptp(original)
    assert graph.read(model).foreign == []


@pytest.mark.parametrize("architecture", PLAIN + RECURRENT)
def test_dynamic_int8_is_near_and_touches_only_large_layers(built: Path, architecture: str) -> None:
    model = model_of(built, architecture, "dynamic_int8")
    original = np.load(built / architecture / "answers.npy")
    error = np.abs(answered(model, np.load(built / "asked.npy"), original) - original).max()
    weights = graph.read(model).weights
    assert error <= LARGEST["dynamic_int8"] * np.ptp(original)
    assert all(size < 1024 for dtype, size in weights if dtype == "float32")
    large = any(size >= 1024 for _, size in graph.read(model_of(built, architecture, "float32")).weights)
    assert any(dtype == "int8" for dtype, _ in weights) == large


@pytest.mark.parametrize("architecture", PLAIN)
def test_int8_is_near_and_leaves_no_float_weight(built: Path, architecture: str) -> None:
    model = model_of(built, architecture, "int8")
    original = np.load(built / architecture / "answers.npy")
    error = np.abs(answered(model, np.load(built / "asked.npy"), original) - original).max()
    assert 0 < error <= LARGEST_INT8.get(architecture, 0.1) * np.ptp(original)
    assert {dtype for dtype, _ in graph.read(model).weights} == {"int8"}


@pytest.mark.parametrize("architecture", THOROUGHLY)
@pytest.mark.parametrize("recipe", ["float16", "int8_io", "int16x8"])
def test_the_other_recipes_are_near_and_have_the_weights_they_promise(
    built: Path, architecture: str, recipe: Name
) -> None:
    if (architecture, recipe) == ("transformer", "int16x8"):
        assert "not yet supported for op" in (built / architecture / recipe / "refusal.txt").read_text()
        return
    model = model_of(built, architecture, recipe)
    original = np.load(built / architecture / "answers.npy")
    error = np.abs(answered(model, np.load(built / "asked.npy"), original) - original).max()
    assert 0 < error <= LARGEST[recipe] * np.ptp(original)
    assert {dtype for dtype, _ in graph.read(model).weights} <= set(RECIPES[recipe].weights)


@pytest.mark.parametrize("architecture", RECURRENT)
def test_what_crashes_or_spoils_recurrent_models_is_refused_before_it_is_tried(
    built: Path, architecture: str
) -> None:
    refusal = (built / architecture / "int8" / "refusal.txt").read_text()
    assert refusal.startswith("int8 is not for models with GRU or LSTM: ")
    assert refusal.endswith("use dynamic_int8 or float32")
    assert [name for name, rules in RECIPES.items() if rules.recurrent] == [
        "float32",
        "float16",
        "dynamic_int8",
    ]


@pytest.mark.parametrize("architecture", PLAIN)
@pytest.mark.parametrize("recipe", ["float32", "dynamic_int8", "int8"])
def test_many_machines_in_one_call_are_answered_to_the_bit_as_one_by_one(
    built: Path, architecture: str, recipe: Name
) -> None:
    asked = np.load(built / "asked.npy")[: sum(SIZES)]
    original = np.load(built / architecture / "answers.npy")
    inference = Inference(model_of(built, architecture, recipe))
    ends = [[1, 24, 4]], [[1, *original.shape[1:]]]
    inference.prepare(*ends)
    alone = inference.run(asked)
    inference.prepare(*ends, max(SIZES))
    assert np.array_equal(inference.run(asked), alone)


@pytest.mark.parametrize(("architecture", "batch"), [("tcn", 64), *((name, 1) for name in RECURRENT)])
def test_a_bundle_says_how_many_machines_one_call_may_answer(
    built: Path, architecture: str, batch: int
) -> None:
    original = np.load(built / architecture / "answers.npy")
    made = unsealed(model_of(built, architecture, "float32"), "float32", original)
    assert asyncio.run(batching.proven(made, np.load(built / "asked.npy"))) == batch


def test_an_int8_end_saturates_and_knows_what_is_not_finite(built: Path) -> None:
    asked = np.load(built / "asked.npy")
    original = np.load(built / "dense" / "answers.npy")
    model = model_of(built, "dense", "int8_io")
    inside = model_of(built, "dense", "int8")
    far = np.repeat(asked[:1], 3, axis=0) * np.float32([[1e6], [1e30], [-1e30]])
    wide, inner = (answered(m, far, original[:3]) for m in (model, inside))
    np.testing.assert_allclose(wide, inner, atol=0.1 * np.ptp(original))
    assert wide[0] == wide[1]
    broken = asked[:3].copy()
    broken[0, 5], broken[1, 7] = np.nan, np.inf
    answers = answered(model, broken, original[:3])
    assert np.isnan(answers[:2]).all()
    assert answers[2] == answered(model, asked[2:3], original[:1])[0]


def test_a_window_is_answered_the_same_whatever_was_asked_before(built: Path) -> None:
    asked = np.load(built / "asked.npy")
    for architecture in RECURRENT:
        original = np.load(built / architecture / "answers.npy")
        model = model_of(built, architecture, "float32")
        there = answered(model, asked, original)
        back = answered(model, asked[::-1], original)[::-1]
        assert np.array_equal(there, back), architecture


def test_each_tolerance_is_above_what_other_kernels_do_and_below_what_a_wrong_model_does(
    built: Path,
) -> None:
    """LiteRT's own kernels without XNNPACK stand for another processor."""

    asked = np.load(built / "asked.npy")
    for architecture in THOROUGHLY:
        original = np.load(built / architecture / "answers.npy")
        for recipe in recipes.PLAIN:
            if (architecture, recipe) == ("transformer", "int16x8"):
                continue
            model = model_of(built, architecture, recipe)
            here = answered(model, asked, original)
            manifest = unsealed(model, recipe, original).manifest
            (tolerance,) = compare.tolerances(recipe, manifest, here)
            for kernels in (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF):
                there = by_other_kernels(model, asked, original, kernels)
                assert np.abs(there - here).max() <= tolerance, (architecture, recipe, kernels)
            assert tolerance < 0.1 * np.ptp(original)


def by_other_kernels(model: bytes, asked: np.ndarray, original: np.ndarray, kernels: object) -> np.ndarray:

    inference = Inference(model)
    inference._parsed = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kernels)
    inference.prepare([[1, 24, 4]], [[1, *original.shape[1:]]])
    return inference.run(asked).reshape(original.shape)
