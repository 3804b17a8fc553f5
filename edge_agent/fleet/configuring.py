"""An order for a configuration: checked as by hand, then in force from the next cycles on, on trial."""

import asyncio
from pathlib import Path

import msgspec

from edge_agent.bundles.telling import tell
from edge_agent.config import Config
from edge_agent.config.north import FleetTable
from edge_agent.configurations import LARGEST, BadFiles, Configurations, Document, sequence_of
from edge_agent.fleet.documents import BadDocument, Configuration, Stage
from edge_agent.fleet.operator import Failed, NotNow, edge_agent
from edge_agent.fleet.orders import Taken
from edge_agent.fleet.releases import Fetch, Reached, became


class Configuring:
    """Carries out orders for configurations on one gateway."""

    def __init__(self, config: Config, fleet: FleetTable) -> None:
        self._config, self._fleet = config, fleet
        self._store = Configurations(Path(config.state))

    async def begin(self, taken: Taken, what: Configuration, fetch: Fetch, reached: Reached) -> Stage:
        """Fetch, check and take over a configuration. Raises `Failed`, `BadDocument`, `StoreError`."""
        if self._fleet.configure == "nothing":
            raise Failed(f"{self._config.file}: fleet.configure: the office may not configure this gateway")
        record = self._store.record()
        if record.active and not record.committed and sequence_of(record.active) != what.sequence:
            raise NotNow(f"configuration {sequence_of(record.active)} is still on trial")
        data = await fetch(what.file, LARGEST)
        await reached("installing")
        try:
            folder = await asyncio.to_thread(self._store.keep, _document(data, what), what.file.sha256)
        except BadFiles as error:
            raise BadDocument(str(error)) from None
        except OSError as error:
            raise Failed(f"{self._store.folder}: {error.strerror}") from None
        await edge_agent(["check", self._config.file, "--office", str(folder)])
        await asyncio.to_thread(self._activate, folder.name, taken)
        tell(Path(self._config.state))
        return "trial"

    def became(self, what: Configuration) -> tuple[Stage, str] | None:
        """Return what became of a configuration on trial, None as long as that is not known."""
        return became(self._store.record(), what.sequence)

    def _activate(self, name: str, taken: Taken) -> None:
        with self._store.changing() as record:
            if record.active != name:
                record.activate(name)
                record.tell(f"office ({taken.signer})", f"activated {sequence_of(name)}")


def _document(data: bytes, what: Configuration) -> Document:
    try:
        document = msgspec.json.decode(data, type=Document)
    except msgspec.DecodeError as error:
        raise BadDocument(f"it is no configuration: {error}") from None
    if document.sequence != what.sequence:
        raise BadDocument(f"it is configuration {document.sequence}, and {what.sequence} was ordered")
    return document
