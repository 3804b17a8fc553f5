"""Plain data to frozen structs, every error kept, each naming file and key and what to do."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from edge_agent.config import units

S = TypeVar("S", bound=msgspec.Struct)

_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|h|d)\s*")
_UNIT = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(kB|MB|GB|TB)\s*")
_BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
MOST_NAMED = 30
"""Known words in a hint: a plant has ten thousand tags."""
LONGEST = 86_400.0
"""Seconds that any duration of the cycle may have."""
TEN_YEARS = 10 * 365 * 86_400.0


class Delay(float):
    """A duration, 0 or more: ``"500ms"``, ``"2s"``, ``"5min"``, ``"1h"`` or a number of seconds."""

    __slots__ = ()


class Seconds(Delay):
    """A duration of more than 0."""

    __slots__ = ()


class Days(float):
    """A time in seconds, more than 0 and at most 10 years: ``"12h"``, ``"7d"`` or a number of seconds."""

    __slots__ = ()


class Size(int):
    """Bytes: ``"500MB"``, ``"2GB"`` or a number; decimal, as disks are sold."""

    __slots__ = ()


class Share(float):
    """A share of a whole: ``"0.1%"``, or a number from 0 to 1."""

    __slots__ = ()


class Unit(str):
    """A unit of measurement. Whether it is one is asked only while `CHECK_UNITS` says so."""

    __slots__ = ()


CHECK_UNITS = ContextVar("CHECK_UNITS", default=False)
"""A unit that is none is told by `check`, and stops no machine."""


class ConfigError(Exception):
    """All that is wrong with a configuration, one line each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Place:
    """Where in which file we are reading. All places of one configuration share one list of errors.

    What is beside the gateway's own file (keys, certificates, bundles) is in the folder `home`.
    """

    def __init__(
        self, file: Path, key: str = "", errors: list[str] | None = None, home: Path | None = None
    ) -> None:
        self.file, self.key, self.home = file, key, home or file.parent
        self.errors: list[str] = [] if errors is None else errors

    def at(self, key: str) -> "Place":
        """Return the place of a key inside this one."""
        return Place(self.file, f"{self.key}.{key}" if self.key else key, self.errors, self.home)

    def beside(self, file: str) -> "Place":
        """Return the place of another file, named in this one."""
        return Place(self.file.parent / file, "", self.errors)

    def wrong(self, problem: str) -> None:
        """Keep one error."""
        self.errors.append(f"{self.file}: {self.key}: {problem}" if self.key else f"{self.file}: {problem}")


def read_toml(file: Path) -> dict[str, object]:
    """Read a TOML file. Raises `ConfigError`."""
    return toml_of(file, read(file))


def read(file: Path) -> bytes:
    """Read a file whole. Raises `ConfigError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror}"]) from None


def toml_of(file: Path, text: bytes) -> dict[str, object]:
    """Return what stands in a TOML file with this text. Raises `ConfigError`."""
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: not TOML: {error}"]) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for a misspelt word: the nearest known one, or the first of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return "known: " + (", ".join(known[:MOST_NAMED]) or "none") + more


def build(kind: type[S], data: object, place: Place, also: Iterable[str] = ()) -> S | None:
    """Make a `kind` of a table, keeping its errors; None if something that it cannot be without is wrong.

    `also` are known keys that belong to something else.
    """
    if not isinstance(data, Mapping):
        place.wrong(f"must be a table, not {type(data).__name__}")
        return None
    fields = _fields(kind)
    for name in data:
        if name not in fields:
            place.at(str(name)).wrong(f"unknown key; {nearest(str(name), [*fields, *also])}")
    values: dict[str, Any] = {}
    whole = True
    for name, field in fields.items():
        if name in data:
            try:
                values[field.name] = _value(field.type, data[name], place.at(name))
            except msgspec.ValidationError as error:
                place.at(name).wrong(_plain(error, field.type, data[name]))
                whole = whole and not field.required
        elif field.required:
            place.at(name).wrong("is missing")
            whole = False
    return kind(**values) if whole else None


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _value(kind: Any, value: object, place: Place) -> object:
    """Convert one value. A table, or a list of them, keeps its own errors, and is None if they forbid it."""
    inner = _table_in(kind)
    if inner is None:
        return msgspec.convert(value, kind, dec_hook=_decode)
    if get_origin(kind) is not list:
        return build(inner, value, place)
    if not isinstance(value, list):
        raise msgspec.ValidationError("Expected a list of tables")
    return [
        build(inner, item, Place(place.file, f"{place.key}[{i}]", place.errors))
        for i, item in enumerate(value)
    ]


@cache
def _table_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the table that a type is, may be, or is a list of."""
    parts = (kind, *get_args(kind))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)), None)


def _plain(error: msgspec.ValidationError, kind: object, value: object) -> str:
    choices = [
        choice for part in (kind, *get_args(kind)) if get_origin(part) is Literal for choice in get_args(part)
    ]
    if choices:
        return f"must be {' or '.join(map(repr, choices))}, got {value!r}"
    text = str(error).split(" - at ")[0].split(", got ")[0].replace("`", "")
    return f"{text[0].lower()}{text[1:]}, got {value!r}"


def _share(value: object) -> float:
    try:
        part = float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else value
    except ValueError:
        part = None
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= 1:
        raise ValueError("expected a share such as '0.1%', or a number from 0 to 1")
    return float(part)


def _unit(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected str")  # noqa: TRY004 - as msgspec says it of a text
    if CHECK_UNITS.get() and not units.is_unit(value):
        raise ValueError(
            f"expected a unit such as {units.near(value)!r}, or braces around what is none, as {{parts}}/h"
        )
    return value


def _decode(kind: type, value: object) -> object:
    if issubclass(kind, Unit):
        return kind(_unit(value))
    if issubclass(kind, Share):
        return kind(_share(value))
    if issubclass(kind, Size):
        return kind(_bytes(value))
    if issubclass(kind, Days):
        days = seconds_of(value)
        if not 0 < days <= TEN_YEARS:
            raise ValueError("expected a time of more than 0 and at most 10 years, such as '7d'")
        return kind(days)
    if not issubclass(kind, Delay):
        raise NotImplementedError(kind)
    seconds = seconds_of(value)
    if not 0 <= seconds <= LONGEST or (kind is Seconds and seconds == 0):
        raise ValueError(
            f"expected a duration of {'more than 0' if kind is Seconds else '0 or more'} and at most 24 h"
        )
    return kind(seconds)


def seconds_of(value: object) -> float:
    """Return the seconds of a number or of a text such as ``"2s"``. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("expected a duration such as '500ms' or '2s'")
    return float(match[1]) * _UNIT[match[2]]


def _bytes(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("expected a size such as '500MB' or '2GB'")
    return int(float(match[1]) * _BYTES[match[2]])
