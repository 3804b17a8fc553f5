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

    One that was not named is looked for by the tag's name, by the name that the bundle has for the input, and
    by the tag's name without its device. Raises `RecordingError` if an input of a machine has none, or if two
    would have the same.
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
    used = {name for machine in config.machines for name in machine.tags}
    found: dict[str, str] = {}
    for tag in tags:
        column = _column(data, tag, inputs.get(tag), known, named)
        other = next((t for t, taken in found.items() if taken == column and t not in named.tags), "")
        if column is None or (other and tag not in used):
            continue
        if other in used and tag not in named.tags:
            raise RecordingError(
                f"{data}: column {column!r} could be {other} or {tag}; say --column {tag}=COLUMN, "
                "or choose a machine with --machine"
            )
        found[tag] = column
    return found


def _column(data: Path, tag: str, of_input: str | None, known: Sequence[str], named: Named) -> str | None:
    short = tag.partition(".")[2]
    if tag in named.tags:
        candidates = [named.tags[tag]]
    elif of_input is not None:
        candidates = [tag, named.inputs.get(of_input, of_input), short]
    else:
        candidates = [tag, short]
    column = next((candidate for candidate in candidates if candidate in known), None)
    if column is None and (tag in named.tags or of_input is not None):
        wanted = " or ".join(dict.fromkeys(repr(candidate) for candidate in candidates))
        raise RecordingError(
            f"{data}: no column {wanted} for the tag {tag}; {nearest(candidates[-1], known)}; "
            f"say --column {tag}=COLUMN, or give the card that has its name"
        )
    return column


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
