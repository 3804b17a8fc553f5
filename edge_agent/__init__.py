"""The agent: reads PLCs, runs a bundle, writes the result back. See ARCHITECTURE.md."""

from importlib.metadata import version

__version__ = version("edge-agent")
