"""Many models, each converted on its own, by any executor: see `converter.engines`."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, as_completed
from functools import partial
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from converter import signing
from converter.directory import Item
from converter.errors import CardError, ConverterError
from converter.process import TensorFlow
from converter.report import Report
from edge_agent import bundle
from edge_agent.bundle import BundleError

DEADLINE = 7 * 86400.0
"""Seconds for all models together; each process of TensorFlow has its own, far shorter."""
_here = threading.local()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one model. `problem` says why there is no bundle; then sizes are 0 and texts empty.

    `seconds` it took, `size` of the bundle in bytes, `fraction` the largest error as a fraction of the
    output's range. `card` is the one that was inferred and is beside the bundle, "" if one was given.
    """

    name: str
    bundle: str = ""
    sha256: str = ""
    recipe: str = ""
    size: int = 0
    fraction: float = 0.0
    warnings: list[str] = []
    card: str = ""
    seconds: float = 0.0
    problem: str = ""


def convert_all(
    items: list[Item],
    out: Path,
    executor: Executor,
    convert: "partial[Report]",
    *,
    key: Ed25519PrivateKey | None = None,
    deadline: float = DEADLINE,
) -> Iterator[Outcome]:
    """Convert each item to ``out/NAME.bundle`` and yield what became of it, as soon as it is done.

    `convert` is `converter.convert` with its options. One that fails stops no other. The private `key` signs
    here: it is given to no other process. Raises TimeoutError after `deadline` seconds.
    """
    done = {executor.submit(_convert, item, out.absolute(), convert): item.name for item in items}
    for future in as_completed(done, deadline):
        yield _signed(_outcome(done[future], future), key)


def _outcome(name: str, future: "Future[Outcome]") -> Outcome:
    """Tell of a worker that died, or of a bug, as of any other problem: the rest is worth its hours."""
    failed = future.exception()
    return Outcome(name=name, problem=f"{type(failed).__name__}: {failed}") if failed else future.result()


def _signed(done: Outcome, key: Ed25519PrivateKey | None) -> Outcome:
    if key is None or done.problem:
        return done
    try:
        signing.sign(Path(done.bundle), key)
        return msgspec.structs.replace(done, sha256=bundle.read(Path(done.bundle)).sha256)
    except (BundleError, OSError) as error:
        return Outcome(name=done.name, problem=f"{done.bundle} is there, but is not signed: {error}")


def _convert(item: Item, out: Path, convert: "partial[Report]") -> Outcome:
    """Convert one item. Runs in a worker, whose TensorFlow is loaded once."""
    if item.data is None:
        return Outcome(
            name=item.name,
            problem=f"{item.model}: no {item.name}.csv or .npy beside it; give it, or --data for all",
        )
    began = time.monotonic()
    try:
        made = convert(
            item.model, item.data, item.card, out / f"{item.name}.bundle",
            loading=msgspec.structs.replace(convert.keywords["loading"], weights=item.weights),
            tensorflow=_tensorflow(),
        )  # fmt: skip
        if made.card:
            (out / f"{item.name}.toml").write_text(made.card, encoding="utf-8")
    except SystemExit:
        os._exit(1)  # asked for by `engines`: all of this model is cleared up, and no other must begin
    except CardError as error:
        return Outcome(name=item.name, problem="; ".join(error.problems), seconds=time.monotonic() - began)
    except (ConverterError, BundleError, OSError) as error:
        return Outcome(name=item.name, problem=str(error), seconds=time.monotonic() - began)
    return Outcome(
        name=item.name,
        bundle=made.bundle,
        sha256=made.sha256,
        recipe=made.recipe,
        size=made.size,
        fraction=made.comparison.fraction,
        warnings=made.warnings,
        card=made.card,
        seconds=time.monotonic() - began,
    )


def _tensorflow() -> TensorFlow:
    """Return this thread's own: a job after the other is what it can do."""
    if not hasattr(_here, "tensorflow"):
        _here.tensorflow = TensorFlow()
    kept: TensorFlow = _here.tensorflow
    return kept
