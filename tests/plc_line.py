"""Three PLCs and one agent between them."""

import contextlib
from pathlib import Path

from agent_process import INPUTS, AgentProcess, Frame, Plc, until
from modbus_proxy import Proxy, free_port

from edge_agent.plant.process import PlantProcess
from edge_agent.plant.registers import POINT

READY, ADVISORY, ACTIVE, FALLBACK, FAULT = 2, 4, 5, 6, 7
VALID = (READY, ADVISORY, ACTIVE)


def start_plant(port: int, *args: str) -> PlantProcess:
    return PlantProcess("--no-opcua", "--modbus-port", str(port), *args)


def device(name: str, port: int) -> str:
    rows = "\n".join(
        f'  {{name = "{n}", table = "input", address = {p.address}, type = "{p.type}", order = "{p.order}"}},'
        for n in INPUTS
        for p in [POINT[n]]
    )
    return (
        f'[device.{name}]\ndriver = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}\n'
        f'scan = "100ms"\ntimeout = "300ms"\ntags = [\n{rows}\n]\n'
    )


def machine(name: str, reads: str, writes: str, mode: str = "advisory") -> str:
    inputs = ", ".join(f'{n} = "{reads}.{n}"' for n in INPUTS)
    return (
        f'[machine.{name}]\nbundle = "small.bundle"\nmode = "{mode}"\ninputs = {{ {inputs} }}\n'
        f'[machine.{name}.result]\ndevice = "{writes}"\ntable = "holding"\naddress = 400\n'
    )


class Line:
    """Plants a, b, c behind proxies; machines alpha (a to a), beta (b to b), gamma (a to c)."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.plants = {name: stack.enter_context(start_plant(free_port())) for name in "abc"}
        self.ports = {name: plant.modbus_port for name, plant in self.plants.items()}
        self.proxies = {name: stack.enter_context(Proxy(port)) for name, port in self.ports.items()}
        self.plc = {name: Plc(port) for name, port in self.ports.items()}
        self.config = folder / "line.toml"
        devices = [device(name, proxy.port) for name, proxy in self.proxies.items()]
        machines = [machine("alpha", "a", "a"), machine("beta", "b", "b"), machine("gamma", "a", "c")]
        self.config.write_text("\n".join(['[agent]\nstate = "state"', *devices, *machines]), encoding="utf-8")
        self.agent = AgentProcess(self.config)
        self.mark = 0

    def revive(self, name: str) -> None:
        """Start a killed plant again on its port."""
        self.plants[name] = self.stack.enter_context(start_plant(self.ports[name]))

    def settle(self) -> None:
        """Wait until all three PLCs get fresh results, and only then begin to count log lines."""
        for name in "abc":
            self.advances(name)
        self.mark = len(self.agent.lines)

    def advances(self, name: str, seconds: float = 15.0) -> Frame:
        """Wait until a PLC gets new valid results."""
        first = self.plc[name].frame()

        def newer() -> Frame | None:
            frame = self.plc[name].frame()
            return frame if frame.state in VALID and frame.sequence != first.sequence else None

        return until(newer, f"new results in PLC {name}", seconds)

    def told(self) -> list[str]:
        return self.agent.told(self.mark)

    def wait_told(self, *parts: str) -> None:
        """Wait for these log lines, in this order, and then insist that there are no others."""
        until(lambda: len(self.told()) >= len(parts), f"{parts} in {self.told()}")
        told = self.told()
        assert len(told) == len(parts), told
        for line, part in zip(told, parts, strict=True):
            assert part in line, told


class Bystander:
    """The machine beta, which has nothing to do with the fault, over the length of a with block."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def __enter__(self) -> None:
        self._first = self._line.plc["b"].frame()
        self._overruns = self._line.agent.status()["scans"][0]["overruns"]

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None:
            return
        until(lambda: self._line.plc["b"].frame().at > self._first.at + 2.0, "two seconds of the bystander")
        last = self._line.plc["b"].frame()
        rate = ((last.sequence - self._first.sequence) & 0xFFFF) / (last.at - self._first.at)
        # Ten a second were due; one that had to wait for the other PLC, 0.3 s, would have three.
        assert 5.0 <= rate <= 11.0, f"{rate:.2f} results a second"
        assert self._line.agent.status()["scans"][0]["overruns"] - self._overruns <= 1
