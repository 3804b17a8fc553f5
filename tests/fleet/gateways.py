"""Gateways as processes, each with a store of its own, on one simulated plant and one broker."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dense_model
from agent_process import AgentProcess, small_bundle
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from plc_line import device, machine

from edge_agent import bundle
from edge_agent.bundles.record import Record
from edge_agent.bundles.store import Store


class Gateways:
    """`folder` gets a folder for every gateway, the office's keys, and the releases.

    They share one machine here, so many of them `spread` their canaries over some seconds, and have a slower
    cycle (`period` in seconds).
    """

    def __init__(
        self, folder: Path, broker: int, plant: int, tflite: bytes, spread: float = 0, period: float = 0.1
    ) -> None:
        self.folder, self._broker, self.plant, self._tflite = folder, broker, plant, tflite
        self._spread, self._period = spread, period
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
        self.office.write_text(f"[mqtt]\n{self._mqtt()}")
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
        return device("a", self.plant).replace("100ms", f"{self._period:g}s") + machine(
            "alpha", "a", "a"
        ).replace('"small.bundle"', '"pump"').replace("advisory", "shadow")

    def make(self, name: str, group: str) -> Path:
        """Write a gateway's configuration, release 1 active; return its file."""
        folder = self.folder / name
        folder.mkdir()
        text = (
            f'[agent]\nname = "{name}"\nstate = "state"\ntrust = "{self.keys}"\n'
            f'trial = "{10 * self._period:g}s"\n{self.parts()}'
            f'[mqtt]\n{self._mqtt()}[fleet]\ngroup = "{group}"\nspread = "{self._spread:g}s"\n'
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

    def _mqtt(self) -> str:
        return f'host = "127.0.0.1"\nport = {self._broker}\ngroup = "plant"\ntls = false\n'
