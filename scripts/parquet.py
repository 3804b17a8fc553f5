"""The package that brings Parquet: pyarrow, as locked, for the environment of an installed agent.

It is a package of its own because it is as large as all the rest of the agent.
"""

import argparse
import re
import shutil
import tempfile
from pathlib import Path

import deb

CONTROL = """Package: edge-agent-parquet
Version: {version}
Architecture: {arch}
Maintainer: edge-agent <edge-agent@localhost>
Installed-Size: {kilobytes}
Depends: edge-agent, python3 (>= {python}), python3 (<< {next_python})
Section: misc
Priority: optional
Description: Parquet for edge-agent
 Lets edge-agent export its history as Parquet and replay Parquet files.
"""

ONLY_FOR_COMPILING = ("include", "includes", "src", "tests")


def build(options: argparse.Namespace, version: str) -> Path:
    """Build the package for the agent of a version and return its path."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-parquet-") as name:
        tree, locked = Path(name) / "tree", Path(name) / "locked.txt"
        tree.mkdir()
        deb.export(locked, "parquet")
        found = re.search(r"^pyarrow==(?:.*\\\n)*.*\n", locked.read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None, "no pyarrow in the lock file"
        locked.write_text(found[0], encoding="utf-8")
        packages = deb.install(tree, options, "--require-hashes", "-r", locked)
        for folder in ONLY_FOR_COMPILING:
            shutil.rmtree(packages / "pyarrow" / folder, ignore_errors=True)
        deb.compile_all(tree, options)
        return deb.pack(tree, options, "edge-agent-parquet", version, control=CONTROL, scripts={})
