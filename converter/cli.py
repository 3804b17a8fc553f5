"""The command line of the converter. Exit codes: 0 well, 1 failed, 2 usage, 78 a card that cannot be used."""

import signal
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec
from rich.console import Console

from converter import backtest as backtesting
from converter import (
    backtest_files,
    backtest_page,
    board,
    conversion,
    directory,
    engines,
    evaluation,
    fleet,
    pages,
    report,
    signing,
)
from converter.errors import CardError, ConverterError
from converter.loading import Loading
from converter.options import Rate, Share, Span, Steps
from converter.recipes import RECIPES
from edge_agent import __version__, bundle

BAD_CARD = 78
_FILE = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Show what TensorFlow says.")
_drop_nan = click.option("--drop-nan", is_flag=True, help="Leave out rows with empty cells or NaN.")
_html = click.option("--html", type=_FILE, metavar="FILE", help="Write a report to look at.")
_SHARE = Share()
_FLIPS = "For auto: accept that this share of the windows falls on the other side of the limit."
_BUDGET = "As 1/week: choose the alarm's limit and delay for it. All of --data has to be healthy."
_PROFILE = "Times are those of the box where `edge-agent doctor --bench` printed this line."
_out, _err = Console(), Console(stderr=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="edge-agent", prog_name="edge-converter")
def main() -> None:
    """Turn a trained Keras model into a bundle for the gateway."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # so that the child is killed and the temporary files go


def _reporting(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what the library raises into a message and an exit code."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except CardError as error:
            _err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
            sys.exit(BAD_CARD)
        except (ConverterError, bundle.BundleError, OSError) as error:
            _err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
            sys.exit(1)

    return run


def _loading(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options about loading a model, and give them to `command` as `loading`."""

    @click.option("--weights", type=_FILE, help="Weights, if the model is an architecture (.json).")
    @click.option("--trust-code", type=_FILE, help="Python file with the model's custom layers; is run.")
    @wraps(command)
    def run(*args: Any, weights: Path | None, trust_code: Path | None, **options: Any) -> None:
        named = Loading(weights=str(weights or ""), trust_code=str(trust_code or ""))
        command(*args, loading=named, **options)

    return run


@main.command()
@click.argument("model", type=_FILE)
@click.option("--data", type=_FILE, help="History: CSV with a header, or .npy.")
@click.option("--card", type=_FILE, help="What the model means (TOML); inferred and shown if not given.")
@click.option("--recipe", type=click.Choice(["auto", *RECIPES]), default="auto", show_default=True)
@click.option("-o", "--out", type=_FILE, required=True, help="The bundle to write; for DIR, where.")
@click.option("--sign", type=_FILE, metavar="KEY", help="Sign with this private key, see keygen.")
@click.option("--max-error", type=_SHARE, help="Accept this share of the output's range, as 0.05 or 5%.")
@click.option("--max-flips", type=_SHARE, default="0.1%", show_default=True, help=_FLIPS)
@click.option("--false-alarms", type=Rate(), default=0.0, help=_BUDGET)
@click.option("--target-profile", default="", metavar="LINE", help=_PROFILE)
@click.option("--jobs", type=click.IntRange(min=1), help="For DIR: so many at a time.  [default: 1]")
@click.option("--dask", metavar="ADDRESS", help="For DIR: on the Dask cluster of this scheduler, or `local`.")
@_loading
@_html
@_drop_nan
@_json
@_verbose
@_reporting
def convert(model: Path, jobs: int | None, dask: str | None, as_json: bool, **options: Any) -> None:
    """Convert MODEL to a bundle: .keras, .h5, .json or a SavedModel.

    MODEL may be a directory DIR of models. NAME.toml and NAME.csv beside a model are its card and its data.
    """
    if directory.holds_models(model):
        _convert_directory(model, jobs or 1, dask, as_json, **options)
        return
    if jobs or dask:
        raise click.UsageError("--jobs and --dask are for a directory of models")
    if not options["data"]:
        raise click.UsageError("--data is needed, unless MODEL is a directory with NAME.csv for every model")
    with Steps(_err) as steps:
        made = conversion.convert(
            model, **options, progress=steps.begin, inferred=lambda card: _show_card(card, as_json)
        )
    if as_json:
        _print_json(made)
    else:
        report.show_report(made, _out)


def _show_card(card: str, as_json: bool) -> None:
    if not as_json:
        _out.print(card, markup=False, highlight=False, soft_wrap=True)


def _convert_directory(
    folder: Path, jobs: int, dask: str | None, as_json: bool, *,
    data: Path | None, card: Path | None, out: Path, sign: Path | None,
    loading: Loading, html: Path | None, **options: Any,
) -> None:  # fmt: skip
    if html or loading.weights:
        raise click.UsageError("--html and --weights are for a single model")
    key = signing.load(sign) if sign else None
    items = directory.find(folder, data, card)
    out.mkdir(exist_ok=True)
    job = partial(conversion.convert, loading=loading, **options)
    with engines.dask(dask, jobs) if dask else engines.processes(jobs) as executor:
        outcomes = fleet.convert_all(items, out, executor, job, key=key)
        found = board.follow(outcomes, len(items), _err)
    if as_json:
        _print_json(found)
    else:
        board.conclude(found, _err)
    if any(outcome.problem for outcome in found):
        sys.exit(1)


@main.command()
@click.argument("path", metavar="BUNDLE", type=_FILE)
@click.option("--data", type=_FILE, required=True, help="Labelled data: CSV with a header, or .npy.")
@click.option("--card", type=_FILE, help="Which columns hold what, if not those of the same names.")
@click.option("--model", type=_FILE, help="The original model, to compare with.")
@click.option("--kfold", type=click.IntRange(min=2), help="Train anew for each of N folds.")
@click.option("--time-folds", type=click.IntRange(min=1), help="The same, each trained on its past alone.")
@click.option("--train", default="", metavar="SCRIPT:FUNCTION", help="What trains one fold.")
@_loading
@_html
@_drop_nan
@_json
@_verbose
@_reporting
def evaluate(as_json: bool, kfold: int | None, time_folds: int | None, **options: Any) -> None:
    """Judge BUNDLE by labelled data, beside its original. Through the gateway's own code."""
    if kfold and time_folds:
        raise click.UsageError("--kfold and --time-folds exclude each other")
    if bool(kfold or time_folds) != bool(options["train"]):
        raise click.UsageError("--kfold or --time-folds, and --train, need each other")
    with _err.status("starting") as status:
        found = evaluation.evaluate(
            **options, kfold=kfold or 0, time_folds=time_folds or 0, progress=status.update
        )
    if as_json:
        _print_json(found)
    else:
        report.show_evaluation(found, _out)


@main.command()
@click.argument("path", metavar="ROWS", type=_FILE)
@click.option("--labels", type=_FILE, required=True, help="Faults: columns start,end; time; or see --column.")
@click.option("--column", default="", help="The column of a recording that is not 0 during a fault.")
@click.option("--horizon", type=Span(), default=0.0, help="How long before a breakdown an alarm counts: 7d.")
@click.option("--machine", default="", help="Needed if the rows are of several.")
@click.option("--output", default="", help="Its name; the machine's score if not given.")
@click.option("-o", "--html", type=_FILE, metavar="FILE", help="Write a report to look at.")
@_json
@_reporting
def backtest(
    path: Path, labels: Path, html: Path | None, as_json: bool, *,
    column: str, horizon: float, machine: str, output: str,
) -> None:  # fmt: skip
    """Judge replayed ROWS by known faults: lead, false alarms, missed. `edge-agent replay` writes ROWS."""
    rows = backtest_files.read_rows(path, machine, output)
    found = backtesting.backtest(rows, backtest_files.read_faults(labels, column, horizon))
    if html:
        pages.check(html)
        backtest_page.write(html, f"{machine or path.stem}: backtest", rows, found)
    if as_json:
        _print_json(found)
    else:
        backtest_page.show(found, _out)


@main.command()
@click.argument("path", metavar="BUNDLE", type=_FILE)
@_json
@_reporting
def inspect(path: Path, as_json: bool) -> None:
    """Show what BUNDLE promises. Verifies every byte of it, runs nothing."""
    found = bundle.read(path)
    if as_json:
        _print_json({"sha256": found.sha256, "manifest": found.manifest})
    else:
        report.show_bundle(found, _out)


@main.command("report")
@click.argument("path", metavar="BUNDLE", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, metavar="FILE", help="The page to write, HTML.")
@_reporting
def report_page(path: Path, out: Path) -> None:
    """Write a page about BUNDLE to look at. `--html` of convert and evaluate say more, with data."""
    pages.of_bundle(out, bundle.read(path))
    _out.print(f"{out}: written", highlight=False, soft_wrap=True)


@main.command()
@click.argument("prefix", type=_FILE)
@_reporting
def keygen(prefix: Path) -> None:
    """Make a pair of keys to sign bundles with. PREFIX.pub is for the gateway's trust folder."""
    private, public = signing.keygen(prefix)
    _out.print(
        f"{private}: keep it secret, and keep a copy\n{public}: give it to the gateways", highlight=False
    )


@main.command()
@click.argument("path", metavar="BUNDLE", type=_FILE)
@click.option("--key", type=_FILE, required=True, help="The private key that keygen made.")
@_reporting
def sign(path: Path, key: Path) -> None:
    """Sign BUNDLE, in place."""
    signing.sign(path, signing.load(key))
    _out.print(f"{path}: signed, sha256 {bundle.read(path).sha256}", highlight=False, soft_wrap=True)


def _print_json(answer: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())


if __name__ == "__main__":
    main()
