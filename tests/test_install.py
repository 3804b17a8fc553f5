"""What is installed on a gateway: no TensorFlow, and a runtime that is proven or refused."""

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from environments import ROOT, Environment, build_wheel
from environments import gateway as make_gateway

from edge_agent import __version__, bundle

EXAMPLE = ROOT / "examples" / "bearing"
SHIPPED = ROOT / "edge_agent" / "demo" / "bearing.bundle"
PROVE = ROOT / "tests" / "prove_bundle.py"
SECONDS = 3600
"""History of the twelve rigs, long enough for the first bearings to wear."""
LARGEST = 250e6

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return make_gateway(tmp_path_factory.mktemp("gateway"))


@pytest.fixture(scope="module")
def old_box(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A box that has only tflite-runtime, and so Python 3.11 and numpy 1."""
    folder = tmp_path_factory.mktemp("old_box")
    environment = Environment(folder, python="3.11")
    environment.install("numpy<2", "tflite-runtime==2.14.0", "msgspec")
    environment.install("--no-deps", build_wheel(folder / "dist"))
    return environment


@pytest.fixture(scope="module")
def bearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bearing model as float32.bundle and int8.bundle."""
    folder = tmp_path_factory.mktemp("bearing")
    sources = f"import sys; sys.path.insert(0, {str(EXAMPLE)!r}); from make_bundle import write_history"
    _python(
        "-c", f"{sources}; from pathlib import Path; write_history(Path('history.csv'), {SECONDS})", folder
    )
    _python(EXAMPLE / "train.py", "--data", "history.csv", "--out", ".", folder)
    for recipe in ("float32", "int8"):
        options = ("--data", "history.csv", "--card", EXAMPLE / "card.toml", "--recipe", recipe)
        _python("-m", "converter.cli", "convert", "bearing.h5", *options, "-o", f"{recipe}.bundle", folder)
    return folder


def _python(*arguments: object) -> None:
    *command, folder = arguments
    done = subprocess.run(
        [sys.executable, *map(str, command)], check=False, capture_output=True, text=True, cwd=str(folder)
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_gateway_has_nothing_of_the_converters_and_stays_small(gateway):
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {requirement.partition(">")[0] for requirement in extra["converter"]}
    assert "tensorflow" in wanted
    assert not gateway.distributions() & (wanted | {"keras"})
    for module in ("tensorflow", "keras"):
        said = gateway.run("python", "-c", f"import {module}")
        assert f"No module named '{module}'" in said.stderr
    sizes = gateway.sizes()
    print(f"installed: {sum(sizes.values()) / 1e6:.0f} MB in {len(gateway.distributions())} packages")
    for name, size in list(sizes.items())[:5]:
        print(f"  {size / 1e6:6.1f} MB  {name}")
    assert sum(sizes.values()) < LARGEST


def test_the_installed_agent_tells_its_version_and_checks_a_configuration(gateway):
    assert __version__ in gateway.run("edge-agent", "--version").stdout
    said = gateway.run("edge-agent", "check", EXAMPLE / "agent.toml")
    assert (said.returncode, said.stdout.splitlines()[-1]) == (0, "ok")


def test_the_converter_says_in_one_line_what_to_install(gateway):
    xor = ROOT / "examples" / "xor"
    data, model = gateway.elsewhere / "xor.csv", gateway.elsewhere / "xor.keras"
    data.write_text("a,b,odd\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    model.write_bytes(b"")
    said = gateway.run(
        *("edge-converter", "convert", model, "--data", data, "--card", xor / "card.toml"),
        *("-o", gateway.elsewhere / "xor.bundle"),
    )
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "TensorFlow is not installed here: pip install 'edge-agent[converter]'"
    ]
    assert not (gateway.elsewhere / "xor.bundle").exists()


def test_the_shipped_bundle_is_proven_by_the_installed_runtime(gateway):
    proven = gateway.run("python", PROVE, SHIPPED)
    assert proven.stdout.startswith("ai-edge-litert "), proven.stderr


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_the_old_runtime_gives_the_known_answers(old_box, bearing, recipe):
    assert "ai-edge-litert" not in old_box.distributions()
    known = bundle.read(bearing / f"{recipe}.bundle").known.outputs
    assert known.min() < 0.1
    assert known.max() > 0.9
    proven = old_box.run("python", PROVE, bearing / f"{recipe}.bundle")
    assert proven.stdout.startswith("tflite-runtime 2.14.0: off by "), proven.stderr


def test_the_old_runtime_refuses_a_model_that_is_newer_than_it_is(old_box):
    refused = old_box.run("python", PROVE, SHIPPED)
    assert bundle.read(SHIPPED).manifest.model.recipe == "dynamic_int8"
    assert refused.returncode == 1
    assert "tflite-runtime 2.14.0 refuses the model: Didn't find op" in refused.stderr


def test_a_model_that_the_old_runtime_runs_otherwise_than_known_is_refused(old_box, bearing, tmp_path):
    made = bundle.read(bearing / "float32.bundle")
    otherwise = tmp_path / "otherwise.bundle"
    outputs = made.known.outputs + np.float32(2 * made.manifest.model.outputs[0].tolerance)
    bundle.write(otherwise, made.manifest, made.model, dataclasses.replace(made.known, outputs=outputs))
    refused = old_box.run("python", PROVE, otherwise)
    assert refused.returncode == 1
    assert "NotProven: tflite-runtime 2.14.0 does not give the bundle's known answers" in refused.stderr
