"""`bundle install` and its neighbours as they are typed: what is refused, why, and what is kept."""

import json
import shutil
import sys
from pathlib import Path

import dense_model
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from plc_line import device, machine
from releases import release

from converter import signing
from edge_agent import bundle
from edge_agent.bundles.installing import examine
from edge_agent.bundles.store import Store
from edge_agent.cli import main

pytestmark = pytest.mark.sockets


def edge_agent(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def install(*arguments: object) -> Result:
    return edge_agent("bundle", "install", *arguments)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_bundle_that_nobody_vouches_for_is_refused_unless_that_is_said(
    dense_tflite: bytes, tmp_path: Path, state: Path
) -> None:
    path = release(tmp_path, dense_tflite, 1)
    ended = install(path, "--state", state)
    assert ended.exit_code == 1
    assert "no trusted keys are configured" in ended.output
    assert not state.exists()
    ended = install(path, "--state", state, "--unsigned", "--json")
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["name"], told["sequence"], told["signer"]) == ("pump", 1, "")
    assert told["canary"]["inputs"] == 1000
    assert Store(state, "pump").read().active == ""


def test_only_a_trusted_signature_is_taken(dense_tflite: bytes, tmp_path: Path, state: Path) -> None:
    path, keys = release(tmp_path, dense_tflite, 1), tmp_path / "keys"
    for name in ("works", "stranger"):
        signing.keygen(tmp_path / name)
    keys.mkdir()
    shutil.copy(tmp_path / "works.pub", keys)
    assert "not signed" in install(path, "--state", state, "--trust", keys).output
    signing.sign(path, signing.load(tmp_path / "stranger.key"))
    assert "none of the trusted keys works" in install(path, "--state", state, "--trust", keys).output
    # --unsigned is for where no keys are trusted, not past those that are.
    assert install(path, "--state", state, "--trust", keys, "--unsigned").exit_code == 1
    signing.sign(path, signing.load(tmp_path / "works.key"))
    assert "signed by works" in install(path, "--state", state, "--trust", keys).output
    assert Store(state, "pump").read().highest == {"works": 1}


def test_wrong_answers_are_refused_by_the_canary_and_nothing_is_kept(
    dense_tflite: bytes, tmp_path: Path, state: Path
) -> None:
    made = bundle.read(release(tmp_path, dense_tflite, 1))
    wrong = dense_model.known(made.known.inputs, made.known.outputs + 0.1)
    bundle.write(tmp_path / "w.bundle", made.manifest, made.model, wrong)
    ended = install(tmp_path / "w.bundle", "--state", state, "--unsigned")
    assert ended.exit_code == 1
    assert "refused by the canary" in ended.output
    assert "off by 0.1" in ended.output
    assert not state.exists()


def test_operators_that_were_not_promised_are_refused(
    dense_tflite: bytes, tmp_path: Path, state: Path
) -> None:
    promised = msgspec.structs.replace(dense_model.takes(["speed", "load", "flow", "pressure"]), ops=["ADD"])
    path = release(tmp_path, dense_tflite, 1, model=promised)
    ended = install(path, "--state", state, "--unsigned")
    assert "the model has the operators" in ended.output
    assert "the manifest says ADD" in ended.output


def test_a_box_that_cannot_check_operators_says_so(
    dense_tflite: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)  # as if it were not installed
    path = release(tmp_path, dense_tflite, 1)
    examine(path.read_bytes(), path, None, unsigned=True)
    (told,) = caplog.messages
    assert "operators are tried, not checked" in told


def test_another_shape_than_promised_is_refused_by_the_canary(
    dense_tflite: bytes, tmp_path: Path, state: Path
) -> None:
    made = bundle.read(release(tmp_path, dense_tflite, 1))
    tensor = msgspec.structs.replace(made.manifest.model.inputs[0], shape=[1, 16])
    other = msgspec.structs.replace(
        made.manifest, model=msgspec.structs.replace(made.manifest.model, inputs=[tensor])
    )
    bundle.write(tmp_path / "o.bundle", other, made.model, made.known)
    ended = install(tmp_path / "o.bundle", "--state", state, "--unsigned")
    assert "the model's input is float32[1, 4, 4], the manifest says float32[1, 16]" in ended.output


def configured(tmp_path: Path, unit: str = "rpm") -> Path:
    tags = device("a", 502).replace('{name = "speed",', f'{{name = "speed", unit = "{unit}",')
    text = '[agent]\nstate = "state"\nunsigned = true\n' + tags + machine("alpha", "a", "a")
    config = tmp_path / "c.toml"
    config.write_text(text.replace('"small.bundle"', '"pump"'), encoding="utf-8")
    return config


def test_units_and_inputs_are_held_against_the_configurations_tags(
    dense_tflite: bytes, tmp_path: Path, state: Path
) -> None:
    made = bundle.read(release(tmp_path, dense_tflite, 1))
    inputs = [
        msgspec.structs.replace(i, unit="rpm" if i.name == "speed" else "") for i in made.manifest.inputs
    ]
    path = release(tmp_path, dense_tflite, 1, inputs=inputs)
    ended = install(path, "--config", configured(tmp_path, "1/s"))
    assert ended.exit_code == 78
    assert "a.speed is in '1/s', the bundle wants 'rpm'" in ended.output
    assert not state.exists()
    config = configured(tmp_path)
    assert edge_agent("check", config).exit_code == 78
    ended = install(path, "--config", config)
    assert ended.exit_code == 0, ended.output
    told = edge_agent("check", config)
    assert told.exit_code == 0, told.output
    assert "no version is active" in told.output
    assert edge_agent("bundle", "activate", "pump@1", "--config", config).exit_code == 0
    assert "no version" not in edge_agent("check", config).output


def test_activating_and_rolling_back(dense_tflite: bytes, tmp_path: Path, state: Path) -> None:
    for n in (1, 2):
        assert install(release(tmp_path, dense_tflite, n), "--state", state, "--unsigned").exit_code == 0
    refused = edge_agent("bundle", "rollback", "pump", "--state", state)
    assert refused.exit_code == 1
    assert "there is no version before" in refused.output
    for n in (1, 2):
        said = edge_agent("bundle", "activate", f"pump@{n}", "--state", state)
        assert f"pump: {n} is active; no agent is running" in said.output
    refused = edge_agent("bundle", "activate", "pump@7", "--state", state)
    assert refused.exit_code == 1
    assert "sequence 7 is not installed; there are: 1, 2" in refused.output
    assert "pump: 1 is active" in edge_agent("bundle", "rollback", "pump", "--state", state).output
    listed = edge_agent("bundle", "list", "--state", state).output
    assert "rolled back from 2 to 1" in listed
    assert "active, on trial" in listed


def test_a_damaged_version_is_not_activated(dense_tflite: bytes, tmp_path: Path, state: Path) -> None:
    install(release(tmp_path, dense_tflite, 1), "--state", state, "--unsigned")
    store = Store(state, "pump")
    kept = store.folder / store.version(1)
    kept.write_bytes(kept.read_bytes()[:-1])
    ended = edge_agent("bundle", "activate", "pump@1", "--state", state)
    assert ended.exit_code == 1
    assert "damaged" in ended.output
    assert store.read().active == ""


@pytest.mark.parametrize("which", ["pump", "pump@", "@3", "pump@x"])
def test_a_version_is_named_with_its_sequence(which: str, tmp_path: Path) -> None:
    ended = edge_agent("bundle", "activate", which, "--state", tmp_path)
    assert ended.exit_code == 2
    assert "NAME@SEQUENCE" in ended.output


def test_inspect_and_verify_run_nothing_and_say_what_is_there(dense_tflite: bytes, tmp_path: Path) -> None:
    path = release(tmp_path, dense_tflite, 4)
    said = edge_agent("bundle", "inspect", path).output
    assert "pump 1, sequence 4" in said
    assert "4 rows of 0.1 s" in said
    assert json.loads(edge_agent("bundle", "inspect", path, "--json").output)["sequence"] == 4
    assert "whole, signed by nobody" in edge_agent("bundle", "verify", path, "--unsigned").output
    assert edge_agent("bundle", "verify", path).exit_code == 1
    data = bytearray(path.read_bytes())
    data[np.random.default_rng(2).integers(len(data))] ^= 4
    path.write_bytes(data)
    assert "damaged" in edge_agent("bundle", "verify", path, "--unsigned").output


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ('max_flips = "2 percent"', "promotion.max_flips: expected a share such as '0.1%'"),
        ("max_flips = 1.5", "promotion.max_flips: expected a share such as '0.1%'"),
        ('cycles = "many"', "promotion.cycles: expected int"),
        ("max_flip = 0.1", "promotion.max_flip: unknown key; did you mean 'max_flips'?"),
    ],
)
def test_what_a_candidate_has_to_show_is_checked(
    dense_tflite: bytes, tmp_path: Path, key: str, told: str
) -> None:
    config = configured(tmp_path)
    text = config.read_text(encoding="utf-8").replace('"pump"', '"p.bundle"')
    release(tmp_path, dense_tflite, 1).rename(tmp_path / "p.bundle")
    config.write_text(f"{text}[machine.alpha.promotion]\n{key}\n", encoding="utf-8")
    ended = edge_agent("check", config)
    assert ended.exit_code == 78
    assert told in ended.output
