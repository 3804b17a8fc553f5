"""The chain as a site has it: an example and its configuration, and a bench that plays rows to the PLC.

The examples run at their own pace, up to a minute a row. Here the same bundles and configurations run
twenty times a second; nothing else about them is changed.
"""

import asyncio
import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from pymodbus.client import AsyncModbusTcpClient
from sources import EXAMPLES, python

from converter import card_file, dataset, gateway
from edge_agent import bundle
from edge_agent.plant.plc import crc

PERIOD = 0.05
FRESH = 25
"""ms: inputs of this age were read in the cycle that used them, not in the one before."""
ROW_DEADLINE = 15.0
STEP_REGISTER, BLOCK, WORDS = 902, 400, 20

Words = tuple[int, int]


def converter(*arguments: object) -> Any:
    """Run edge-converter and return what it prints as JSON."""
    return json.loads(python("-m", "converter.cli", *arguments, "--json"))


class Site:
    """A copy of one example's files, with a folder beside it where its READMEs build."""

    def __init__(self, example: str, root: Path, built: str) -> None:
        self.folder, self.build = root / "examples" / example, root / "build" / built
        self.folder.mkdir(parents=True)
        self.build.mkdir(parents=True)
        for path in (EXAMPLES / example).iterdir():
            if path.suffix in {".toml", ".csv"}:
                shutil.copy(path, self.folder)
        self.card = self.folder / "card.toml"
        self.bundle = self.build / f"{built}.bundle"

    def check(self) -> None:
        """Have the agent check the example's configuration as it stands."""
        said = python("-m", "edge_agent", "check", self.folder / "agent.toml")
        assert said.splitlines()[-1] == "ok"

    def live(self, port: int) -> Path:
        """Write the configuration that runs at `PERIOD` against the plant at `port`."""
        made = bundle.read(self.bundle)
        fast = msgspec.structs.replace(made.manifest, period=PERIOD)
        path = self.bundle.with_suffix(".live.bundle")
        bundle.write(path, fast, made.model, made.known)
        lines = (self.folder / "agent.toml").read_text(encoding="utf-8").splitlines()
        for key, value in {"port": port, "scan": PERIOD, "bundle": f'"{path}"'}.items():
            (place,) = (i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
            lines[place] = f"{key} = {value}"
        config = self.folder / "live.toml"
        config.write_text("\n".join(lines), encoding="utf-8")
        return config


class Frame(NamedTuple):
    """What a test looks at in the result block. `score` is the float32's words, `age` is in ms."""

    sequence: int
    state: int
    alarm: int
    score: Words
    age: int


class Bench:
    """A Modbus client of the plant's PLC that turns its pages and reads what the agent answers."""

    def __init__(self, client: AsyncModbusTcpClient) -> None:
        self._client = client

    async def turn_to(self, row: int) -> None:
        """Put the next row on the PLC's inputs; it stands there when this returns."""
        reply = await self._client.write_register(STEP_REGISTER, row)
        assert not reply.isError(), reply

    async def frame(self) -> Frame:
        reply = await self._client.read_holding_registers(BLOCK, count=WORDS)
        assert not reply.isError(), reply
        words = reply.registers
        if words[0]:
            assert words[19] == crc(words[:19])
            assert words[2] == words[18]
        return Frame(words[2], words[3], words[5], (words[6], words[7]), words[10])

    async def answer(self) -> Frame:
        """Wait for a result that was computed wholly from what the PLC holds now.

        The cycle that writes the next result may have begun before; the one after it has not, and its
        inputs are fresh if it did not have to go on without the PLC's answer.
        """
        before = (await self.frame()).sequence
        async with asyncio.timeout(ROW_DEADLINE):
            while True:
                frame = await self.frame()
                if (frame.sequence - before) & 0xFFFF >= 2 and frame.age < FRESH:
                    return frame
                await asyncio.sleep(0.01)


@asynccontextmanager
async def bench(port: int) -> AsyncIterator[Bench]:
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
    assert await client.connect()
    try:
        yield Bench(client)
    finally:
        client.close()


def gateway_scores(site: Site, data: Path) -> list[Words]:
    """Return, row by row, the words that the converter's gateway path expects in the PLC.

    The PLC holds float32, so that is what the rows are rounded to first.
    """
    table = dataset.load(data, card_file.load(site.card), drop_nan=False)
    held = dataclasses.replace(table, rows=table.rows.astype(np.float32).astype(np.float64))
    courses = gateway.wait_for(gateway.tick_by_tick(bundle.read(site.bundle), held))
    scores = next(iter(courses.values())).scores
    words = scores.astype(">f4").view(">u2").reshape(-1, 2)
    return [(int(high), int(low)) for high, low in words]
