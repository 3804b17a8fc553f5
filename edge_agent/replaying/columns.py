"""Which column of a recording is which tag."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edge_agent.config import Config
from edge_agent.config.fields import nearest
from edge_agent.replaying.recording import RecordingError


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says about a file: columns by tag, by the bundle's inputs, and the one of the time."""

    tags: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}
    time: str = ""


AS_THEY_ARE = Named()


def columns_of(config: Config, data: Path, known: Sequence[str], named: Named) -> dict[str, str]:
    """Return the column of every tag that a file has; `known` are its columns.

    One that was not named is looked for by the tag's name, and then by that of the bundle's input. Raises
    `RecordingError` if an input of a machine has none.
    """
    tags = [entry.tag.name for device in config.devices for entry in device.tags]
    for tag in named.tags:
        if tag not in tags:
            raise RecordingError(f"--column {tag}: there is no such tag; {nearest(tag, tags)}")
    # What another machine computes has no tag, and needs no column.
    inputs = {
        tag: i.name
        for machine in config.machines
        for tag, i in zip(machine.inputs, machine.bundle.manifest.inputs, strict=True)
    }
    found = {}
    for tag in tags:
        name = inputs.get(tag, tag)
        candidates = [named.tags[tag]] if tag in named.tags else [tag, named.inputs.get(name, name)]
        column = next((candidate for candidate in candidates if candidate in known), None)
        if column is not None:
            found[tag] = column
        elif tag in named.tags or tag in inputs:
            wanted = " or ".join(dict.fromkeys(repr(candidate) for candidate in candidates))
            raise RecordingError(
                f"{data}: no column {wanted} for the tag {tag}; {nearest(candidates[-1], known)}; "
                f"say --column {tag}=COLUMN, or give the card that has its name"
            )
    return found


def of_card(card: Path) -> dict[str, str]:
    """Return the columns of the inputs that a card names. Raises `RecordingError`."""
    try:
        inputs = tomllib.loads(card.read_text(encoding="utf-8"))["inputs"]
        return {i["name"]: i["column"] for i in inputs if "column" in i}
    except OSError as error:
        raise RecordingError(f"{card}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"{card}: {error}") from None
    except (KeyError, TypeError):
        raise RecordingError(f"{card}: not a card: it has no [[inputs]] with names") from None
