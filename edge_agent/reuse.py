"""What a changed configuration leaves as it was: connections, proven models, machines with their windows."""

from edge_agent.config import Config, schema
from edge_agent.config.tables import connection
from edge_agent.device import Device
from edge_agent.inference.host import ModelHost
from edge_agent.machine import Machine


class Reuse:
    """Parts of a running agent, to be looked up by what they were made of."""

    def __init__(
        self, config: Config, devices: list[Device], models: list[ModelHost], machines: list[Machine]
    ) -> None:
        self._config = config
        self._devices = {device.name: device for device in devices}
        self._models = {model.bundle.sha256: model for model in models}
        self._machines = {machine.name: machine for machine in machines}

    def device(self, config: schema.Device) -> Device | None:
        """Return the device with the same connection. Its tags have to be planned anew."""
        known = next((d for d in self._config.devices if d.name == config.name), None)
        if known is None or connection(known.table) != connection(config.table):
            return None
        device = self._devices[config.name]
        device.replan()
        return device

    def model(self, sha256: str) -> ModelHost | None:
        """Return the child that runs this very bundle."""
        return self._models.get(sha256)

    def machine(self, name: str, config: Config) -> Machine | None:
        """Return the machine if it and the tags it reads are as they were."""
        if _essence(name, self._config) != _essence(name, config):
            return None
        return self._machines.get(name)

    def exchanged(self, name: str, config: Config) -> Machine | None:
        """Return the machine if nothing but its bundle is another, of the same period."""
        known, now = _essence(name, self._config), _essence(name, config)
        if known is None or now is None or known[1:] != now[1:]:
            return None
        return self._machines.get(name)


_BUNDLES = {"bundle", "candidate", "promotion"}


def _essence(name: str, config: Config) -> tuple[object, ...] | None:
    machine = next((m for m in config.machines if m.name == name), None)
    if machine is None:
        return None
    tags = {s.tag.name: s for device in config.devices for s in device.tags}
    inputs = [tags.get(tag) for tag in machine.inputs]
    plain = {f: getattr(machine, f) for f in machine.__struct_fields__ if f not in _BUNDLES}
    return machine.bundle.sha256, machine.bundle.manifest.period, inputs, plain
