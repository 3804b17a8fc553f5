"""A configuration at the desk, made into one document with the tag files that it names."""

from pathlib import Path

from edge_agent.config.fields import ConfigError
from edge_agent.config.remote import sections, tag_files
from edge_agent.configurations import LARGEST, MAIN, BadFiles, Document, checked


def packed(path: Path, sequence: int) -> Document:
    """Read a configuration of links, devices and machines alone, and its tag files. Raises `ConfigError`."""
    names = {name for _, name in tag_files(sections(path))}
    try:
        files = {name: (path.parent / name).read_bytes() for name in sorted(names)}
        files[MAIN] = path.read_bytes()
        document = checked(Document(sequence=sequence, files=files))
    except OSError as error:
        raise ConfigError([f"{error.filename}: {error.strerror}"]) from None
    except BadFiles as error:
        raise ConfigError([f"{path}: {error}"]) from None
    if (size := sum(map(len, files.values()))) > LARGEST // 2:
        raise ConfigError([f"{path}: {size} bytes with its tag files; {LARGEST // 2} at most"])
    return document
