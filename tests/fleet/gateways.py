"""Gateways as processes, each with a store of its own, on one simulated plant and one broker."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dense_model
from agent_process import AgentProcess, small_bundle
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from plc_line import device, machine

from edge_agent import bundle
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store
from edge_agent.cli import main

ENOUGH = 40
"""Cycles that a candidate has to show."""


class Gateways:
    """`folder` gets a folder for every gateway, the office's keys, and the releases.

    They share one machine here, so many of them `spread` their canaries over some seconds, and have a slower
    cycle (`period` in seconds). With `tls` each shows the credential of its name to the broker.
    """

    def __init__(
        self,
        folder: Path,
        broker: int,
        plant: int,
        tflite: bytes,
        spread: float = 0,
        period: float = 0.1,
        *,
        tls: bool = False,
    ) -> None:
        self.folder, self._broker, self.plant, self._tflite = folder, broker, plant, tflite
        self._spread, self._period, self._tls = spread, period, tls
        self.key = Ed25519PrivateKey.generate()
        self.keys = folder / "keys"
        self.keys.mkdir()
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.keys / "office.pub").write_bytes(public)
        self.key_file = folder / "office.key"
        self.key_file.touch(0o600)
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.key_file.write_bytes(pem)
        self.office = folder / "office.toml"
        self.office.write_text(f"[mqtt]\n{self._mqtt('office')}")
        self._first = self.release(1)

    def release(self, sequence: int, *, proven: bool = True) -> Path:
        """Write a signed release; one that is not `proven` has known answers that its model does not give."""
        path = self.folder / f"pump-{sequence}.bundle"
        small_bundle(
            path, self._tflite, name="pump", sequence=sequence, period=self._period, max_gap=2 * self._period
        )
        if not proven:
            made = bundle.read(path)
            wrong = dense_model.known(made.known.inputs, made.known.outputs + 0.1)
            bundle.write(path, made.manifest, made.model, wrong)
        bundle.add_signature(path, self.key.sign(bundle.read(path).text))
        return path

    def parts(self) -> str:
        """Return the device and the machine of every gateway's configuration."""
        polled = device("a", self.plant).replace("100ms", f"{self._period:g}s")
        watched = machine("alpha", "a", "a", "shadow").replace('"small.bundle"', '"pump"')
        # A box on which everything runs at once leaves a candidate little time.
        return f'{polled}{watched}[machine.alpha.promotion]\ncycles = {ENOUGH}\nmax_missed = "90%"\n'

    def make(self, name: str, group: str) -> Path:
        """Write a gateway's configuration, release 1 active; return its file."""
        folder = self.folder / name
        folder.mkdir()
        text = (
            f'[agent]\nname = "{name}"\nstate = "state"\ntrust = "{self.keys}"\n'
            f'trial = "{10 * self._period:g}s"\n{self.parts()}'
            f'[mqtt]\n{self._mqtt(name)}[fleet]\ngroup = "{group}"\nspread = "{self._spread:g}s"\n'
        )
        config = folder / "config.toml"
        config.write_text(text)
        data = bundle.load(self._first)
        store = Store(folder / "state", "pump")
        file = store.install(data, bundle.decode(data, self._first), "office", "test")
        with store.changing() as record:
            record.activate(file)
        return config

    def record(self, config: Path) -> Record:
        return Store(config.parent / "state", "pump").read()

    @contextlib.contextmanager
    def running(self, *configs: Path) -> Iterator[list[AgentProcess]]:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(AgentProcess(config)) for config in configs]

    def _mqtt(self, name: str) -> str:
        secured = f'ca = "ca"\ncertificate = "{name}"\n' if self._tls else "tls = false\n"
        return f'host = "127.0.0.1"\nport = {self._broker}\ngroup = "plant"\n{secured}'


def fleet(gateways: Gateways, *arguments: object) -> Result:
    """Run a command of the office's."""
    return CliRunner().invoke(main, ["fleet", *map(str, arguments), "--broker", str(gateways.office)])


def ordered(gateways: Gateways, *arguments: object) -> Result:
    """Run one that signs."""
    return fleet(gateways, *arguments, "--key", gateways.key_file)


def status(gateways: Gateways) -> dict[str, Any]:
    """Return every gateway's report by its name."""
    said = fleet(gateways, "status", "--json")
    assert said.exit_code == 0, said.output
    return {report["gateway"]: report for report in json.loads(said.stdout)}


def stage(report: dict[str, Any], subject: str = "bundle/pump") -> str:
    """Return how far a gateway says it is."""
    return str(report["orders"][subject]["stage"]) if subject in report["orders"] else "none"


def until_reported(
    gateways: Gateways, count: int, reached: str = "", subject: str = "bundle/pump", seconds: float = 240
) -> dict[str, Any]:
    """Wait until so many gateways report this stage, any if none is named."""
    deadline = time.monotonic() + seconds
    while True:
        found = status(gateways)
        fitting = {n: r for n, r in found.items() if reached in ("", stage(r, subject))}
        if len(fitting) >= count:
            return fitting
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
