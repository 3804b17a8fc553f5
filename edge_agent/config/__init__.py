"""The configuration: one TOML file, and the tag files and bundles that it names."""

from edge_agent.config.fields import ConfigError
from edge_agent.config.load import load
from edge_agent.config.schema import Config

__all__ = ["Config", "ConfigError", "load"]
