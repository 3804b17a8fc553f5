"""The agent: reads PLCs, runs a bundle, writes the result back. See ARCHITECTURE.md."""

__version__ = "0.1.0"
