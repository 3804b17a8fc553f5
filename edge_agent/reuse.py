"""What a changed configuration leaves as it was: connections, proven models, machines with their windows."""

from collections.abc import Sequence

from edge_agent.config import Config, schema
from edge_agent.config.tables import connection
from edge_agent.device import Device
from edge_agent.inference.host import ModelHost
from edge_agent.machine import Machine


class Reuse:
    """Parts of an agent that runs by the configuration `before`, looked up by what `after` asks for."""

    def __init__(
        self,
        after: Config,
        before: Config | None = None,
        devices: Sequence[Device] = (),
        models: Sequence[ModelHost] = (),
        machines: Sequence[Machine] = (),
    ) -> None:
        self._tables = {device.name: device.table for device in before.devices} if before else {}
        self._devices = {device.name: device for device in devices}
        self._models = {model.bundle.sha256: model for model in models}
        self._machines = {machine.name: machine for machine in machines}
        self._before, self._after = _essences(before) if before else {}, _essences(after)

    def device(self, config: schema.Device) -> Device | None:
        """Return the device with the same connection. Its tags have to be planned anew."""
        known = self._tables.get(config.name)
        if known is None or connection(known) != connection(config.table):
            return None
        device = self._devices[config.name]
        device.replan()
        return device

    def model(self, sha256: str) -> ModelHost | None:
        """Return the child that runs this very bundle."""
        return self._models.get(sha256)

    def machine(self, name: str) -> Machine | None:
        """Return the machine if it and the tags it reads are as they were."""
        same = self._before.get(name) == self._after[name]
        return self._machines.get(name) if same else None

    def exchanged(self, name: str) -> Machine | None:
        """Return the machine if nothing but its bundle is another, of the same period."""
        same = self._before.get(name, ())[1:] == self._after[name][1:]
        return self._machines.get(name) if same else None


_BUNDLES = {"bundle", "candidate", "promotion"}


def _essences(config: Config) -> dict[str, tuple[object, ...]]:
    """Return what makes each machine what it is: the hash of its bundle, then all else."""
    tags = {s.tag.name: s for device in config.devices for s in device.tags}
    return {
        machine.name: (
            machine.bundle.sha256,
            machine.bundle.manifest.period,
            [tags.get(tag) for tag in machine.inputs],
            {f: getattr(machine, f) for f in machine.__struct_fields__ if f not in _BUNDLES},
        )
        for machine in config.machines
    }
