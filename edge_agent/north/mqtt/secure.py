"""How the connection to a broker is secured, from credentials that are read at every connection."""

import ssl
from typing import NamedTuple

from edge_agent import credentials
from edge_agent.config.north import MqttTable
from edge_agent.credentials import NoCredential, UserName


class Login(NamedTuple):
    """User name and password, both None for none."""

    name: str | None
    password: str | None


def context(table: MqttTable) -> ssl.SSLContext | None:
    """Return what TLS asks for: the broker's certificate and host name are checked. Raises `NoCredential`."""
    if not table.tls:
        return None
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if table.ca:
            authority = credentials.read(table.ca).decode("ascii")
            made = ssl.create_default_context(cadata=authority)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
    except (ssl.SSLError, ValueError):
        raise NoCredential(f"credential {table.ca}: must hold certificates in PEM") from None
    try:
        if table.certificate:
            made.load_cert_chain(credentials.path(table.certificate))
    except (ssl.SSLError, ValueError):
        text = f"credential {table.certificate}: must hold a certificate and its private key, no passphrase"
        raise NoCredential(text) from None
    return made


def login(table: MqttTable) -> Login:
    """Return user name and password. Raises `NoCredential`."""
    if not table.login:
        return Login(None, None)
    found = credentials.login(table.login)
    if not isinstance(found, UserName):
        raise NoCredential(f"credential {table.login}: must be two lines, user name and password")
    return Login(found.name, found.password)
