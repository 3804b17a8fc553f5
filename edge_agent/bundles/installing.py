"""From a file that somebody brought to a version in the store: all is checked before anything is kept."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_agent import bundle as files
from edge_agent.bundle import Bundle, BundleError
from edge_agent.bundles import operators
from edge_agent.bundles.canary import Late, Passed, Refused, canary
from edge_agent.bundles.store import NotNow, Store
from edge_agent.trust import Untrusted, signer

log = logging.getLogger(__name__)


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the store now, and how its canary went. `signer` is the name of a key, or ""."""

    name: str
    sequence: int
    version: str
    sha256: str
    signer: str
    canary: Passed

    def text(self) -> str:
        """The same for a person."""
        seen = self.canary
        return (
            f"{self.name} {self.version}, sequence {self.sequence}, signed by {self.signer or 'nobody'}\n"
            f"canary on {seen.runtime}: known answers within {seen.difference:.2g}, {seen.inputs} inputs, "
            f"a call takes {seen.p50:.0f} us (p99 {seen.p99:.0f} us)\n"
            f"installed; edge-agent bundle activate {self.name}@{self.sequence} makes it the active one"
        )


def examine(data: bytes, path: Path, trust: Path | None, *, unsigned: bool) -> tuple[Bundle, str]:
    """Verify a bundle without running it; return it and the name of its signer. Raises `BundleError`."""
    bundle = files.decode(data, path)
    if trust is None and not unsigned:
        raise BundleError(
            f"{path}: no trusted keys are configured, so nobody vouches for it; "
            "set trust in [agent], or take it all the same with unsigned = true or --unsigned"
        )
    try:
        by = signer(bundle, trust) if trust else ""
    except Untrusted as error:
        raise BundleError(f"{path}: {error}") from None
    try:
        if problem := operators.problem(bundle.model, bundle.manifest.model.ops):
            raise BundleError(f"{path}: {problem}")
    except ModuleNotFoundError:  # tflite-runtime comes without it
        log.warning("%s: no schema of TFLite files is installed here: operators are tried, not checked", path)
    return bundle, by


def install(
    path: Path,
    state: Path,
    who: str,
    *,
    trust: Path | None = None,
    unsigned: bool = False,
    downgrade: bool = False,
    fits: Callable[[str], None] = lambda _name: None,
) -> Installed:
    """Verify, try and keep a bundle.

    `fits` is given its name, and raises what a configuration has against it.
    Raises `BundleError`, `StoreError`, `NotNow` if only the time was too short, OSError.
    """
    data = files.load(path)
    bundle, by = examine(data, path, trust, unsigned=unsigned)
    manifest = bundle.manifest
    store = Store(state, manifest.name)
    fits(manifest.name)
    try:
        passed = asyncio.run(canary(bundle))
    except Late as error:
        raise NotNow(f"{path}: refused by the canary: {error}; if this box was busy, try again") from None
    except Refused as error:
        raise BundleError(f"{path}: refused by the canary: {error}") from None
    store.install(data, bundle, by, who, downgrade=downgrade)
    return Installed(
        name=manifest.name,
        sequence=manifest.sequence,
        version=manifest.version,
        sha256=bundle.sha256,
        signer=by,
        canary=passed,
    )
