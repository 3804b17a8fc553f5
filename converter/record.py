"""Decoded TOML into frozen structs, noting every problem instead of stopping at the first."""

import difflib
import re
from typing import Any, get_args, get_origin

import msgspec

_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


class Seconds(float):
    """A duration: a number of seconds, or a text such as ``"100ms"``, ``"2 s"``, ``"5min"``, ``"1h"``."""


def nearest(name: str, known: list[str]) -> str:
    """Return `` (did you mean ...?)`` if one of the known names looks like `name`, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def read(cls: type, data: object, where: str, problems: list[str]) -> Any:
    """Build `cls`, a struct, from `data`; `where` leads every problem. Return None if there was any."""
    if not isinstance(data, dict):
        problems.append(f"{where}: must be a table, is {data!r}")
        return None
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    before = len(problems)
    for key in data.keys() - fields.keys():
        known = nearest(key, list(fields)) or f"; known here: {', '.join(fields)}"
        problems.append(f"{where}.{key}: unknown key{known}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(field.type, data[name], f"{where}.{name}", problems)
        elif field.required:
            problems.append(f"{where}.{name}: missing; add it")
    return cls(**values) if len(problems) == before else None


def _value(kind: Any, value: object, where: str, problems: list[str]) -> Any:
    options = [option for option in get_args(kind) if option is not type(None)] if _is_union(kind) else [kind]
    inner = options[0]
    if _is_struct(inner):
        return read(inner, value, where, problems)
    if get_origin(inner) is list and _is_struct(get_args(inner)[0]) and isinstance(value, list):
        return [read(get_args(inner)[0], v, f"{where}[{i}]", problems) for i, v in enumerate(value)]
    try:
        return msgspec.convert(value, kind, dec_hook=_seconds)
    except msgspec.ValidationError as error:
        problems.append(f"{where}: {error} (it is {value!r})")
        return None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _is_union(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _seconds(kind: type, value: object) -> object:
    if kind is not Seconds:
        raise NotImplementedError(kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Seconds(value)
    match = re.fullmatch(r"\s*([0-9.]+)\s*(ms|s|min|h)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a duration is a number of seconds or a text such as "100ms", "2s", "5min", "1h"')
    return Seconds(float(match[1]) * _UNITS[match[2]])
