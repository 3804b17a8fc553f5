"""An authority as plant IT has one, by openssl alone: certificate, what it issued, revocation lists."""

import subprocess
from pathlib import Path

CONFIG = """
[ca]
default_ca = works
[works]
database = {folder}/index.txt
certificate = {folder}/works.pem
private_key = {folder}/works.key
crlnumber = {folder}/crlnumber
default_md = sha256
default_crl_days = 7
crl_extensions = list
[list]
authorityKeyIdentifier = keyid
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = URI:urn:test:server, DNS:localhost, IP:127.0.0.1
"""


class Works:
    """Its key is of the `kind` of openssl's -newkey; it issued ``plc.pem``; ``chain.pem`` has both."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, options = folder, ["-pkeyopt", "ec_paramgen_curve:P-384"] if kind == "ec" else []
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        (folder / "crlnumber").write_text("01\n")
        new = ["req", "-config", self.config, "-nodes", "-new", "-newkey"]
        root = [*new, kind, *options, "-x509", "-extensions", "authority", "-subj", "/CN=works"]
        self(*root, "-days", "30", "-keyout", "works.key", "-out", "works.pem")
        self(*new, "rsa:2048", "-subj", "/CN=plc", "-keyout", "plc.key", "-out", "plc.csr")
        issue = ["x509", "-req", "-in", "plc.csr", "-CA", "works.pem", "-CAkey", "works.key"]
        extensions = ["-extfile", self.config, "-extensions", "server"]
        self(*issue, *extensions, "-days", "30", "-set_serial", "7", "-out", "plc.pem")
        chain = (folder / "plc.pem").read_text() + (folder / "works.pem").read_text()
        (folder / "chain.pem").write_text(chain)

    def revoke(self) -> None:
        """Revoke what it issued."""
        self("ca", "-config", self.config, "-revoke", "plc.pem")

    def crl(self, name: str) -> Path:
        """Write a revocation list."""
        self("ca", "-config", self.config, "-gencrl", "-out", name)
        return self.folder / name

    def fingerprint(self, *options: str) -> str:
        """Return what openssl prints of the certificate that it issued."""
        return self("x509", "-in", "plc.pem", "-noout", "-fingerprint", *options).strip()

    def __call__(self, *words: str | Path) -> str:
        command = ["openssl", *words]
        ended = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout
