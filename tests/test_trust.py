"""Signatures: made by the converter, checked by the agent, by OpenSSL, and refused when they should be."""

import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from agent_process import small_bundle

from converter import signing
from converter.errors import ConverterError
from edge_agent import bundle
from edge_agent.trust import Untrusted, signer


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    folder.mkdir()
    signing.keygen(tmp_path / "works")
    shutil.copy(tmp_path / "works.pub", folder)
    return folder


@pytest.fixture
def signed(dense_bundle: Path, keys: Path, tmp_path: Path) -> Path:
    path = tmp_path / "signed.bundle"
    shutil.copy(dense_bundle, path)
    signing.sign(path, signing.load(tmp_path / "works.key"))
    return path


def test_a_signed_bundle_names_its_signer_and_is_else_as_it_was(
    dense_bundle: Path, signed: Path, keys: Path
) -> None:
    before, after = bundle.read(dense_bundle), bundle.read(signed)
    assert signer(after, keys) == "works"
    assert (after.manifest, after.model) == (before.manifest, before.model)


def test_signing_again_gives_the_same_bytes(signed: Path, tmp_path: Path) -> None:
    once = signed.read_bytes()
    signing.sign(signed, signing.load(tmp_path / "works.key"))
    assert signed.read_bytes() == once


def test_openssl_agrees(signed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(signed) as archive:
        archive.extractall(tmp_path / "parts")
    checked = subprocess.run(
        [
            *("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "works.pub", "-rawin"),
            *("-in", tmp_path / "parts/manifest.json", "-sigfile", tmp_path / "parts/manifest.json.sig"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert "Signature Verified Successfully" in checked.stdout


def test_an_unsigned_bundle_is_not_trusted(dense_bundle: Path, keys: Path) -> None:
    with pytest.raises(Untrusted, match="not signed"):
        signer(bundle.read(dense_bundle), keys)


def test_another_key_is_not_trusted(signed: Path, tmp_path: Path) -> None:
    signing.keygen(tmp_path / "stranger")
    signing.sign(signed, signing.load(tmp_path / "stranger.key"))
    with pytest.raises(Untrusted, match="none of the trusted keys works"):
        signer(bundle.read(signed), tmp_path / "trust")


def test_a_manifest_that_was_changed_after_signing_is_not_trusted(signed: Path, keys: Path) -> None:
    made = bundle.read(signed)
    other = bundle.Bundle(
        made.manifest,
        made.model,
        made.known,
        made.sha256,
        made.text.replace(b"0", b"1"),
        made.signature,
    )
    with pytest.raises(Untrusted, match="none of the trusted keys"):
        signer(other, keys)


def test_a_trust_folder_without_a_key_trusts_nobody(signed: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Untrusted, match=r"no \*\.pub key"):
        signer(bundle.read(signed), tmp_path / "empty")
    (tmp_path / "empty/x.pub").write_text("no key")
    with pytest.raises(Untrusted, match=r"x\.pub: not a public key"):
        signer(bundle.read(signed), tmp_path / "empty")


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    private, _ = signing.keygen(tmp_path / "a")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(ConverterError, match="is there already"):
        signing.keygen(tmp_path / "a")
    private.chmod(0o644)
    with pytest.raises(ConverterError, match="others can read"):
        signing.load(private)


def test_check_refuses_what_is_not_signed_where_signatures_are_asked_for(
    dense_tflite: bytes, keys: Path, tmp_path: Path
) -> None:
    small_bundle(tmp_path / "small.bundle", dense_tflite)
    names = ("speed", "load", "flow", "pressure")
    tags = ", ".join(f'{{ name = "{n}", table = "input", address = {i} }}' for i, n in enumerate(names))
    inputs = ", ".join(f'{n} = "a.{n}"' for n in names)
    (tmp_path / "c.toml").write_text(
        f'[agent]\nstate = "state"\ntrust = "trust"\n'
        f'[device.a]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nscan = "100ms"\ntags = [{tags}]\n'
        f'[machine.m]\nbundle = "small.bundle"\ninputs = {{ {inputs} }}\n'
    )
    assert _check(tmp_path) == (78, "c.toml: machine.m.bundle: small.bundle: not signed")
    signing.sign(tmp_path / "small.bundle", signing.load(tmp_path / "works.key"))
    assert _check(tmp_path)[0] == 0


def _check(folder: Path) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "edge_agent", "check", "c.toml"],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    return ended.returncode, ended.stderr.partition(";")[0].strip()
