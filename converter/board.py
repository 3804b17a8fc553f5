"""Many conversions as they go, for people: a bar, a line for each model, at the end those that failed."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from converter.fleet import Outcome


def follow(outcomes: Iterator[Outcome], total: int, console: Console) -> list[Outcome]:
    """Show each outcome as it comes, and return all of them by name."""
    found = []
    columns = (TextColumn("converting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        for outcome in outcomes:
            found.append(outcome)
            bar.console.print(_line(outcome), markup=False, highlight=False, soft_wrap=True)
            bar.advance(task)
    return sorted(found, key=lambda outcome: outcome.name)


def conclude(outcomes: list[Outcome], console: Console) -> None:
    """Say how many there are, and what became of those that failed."""
    failed = [outcome for outcome in outcomes if outcome.problem]
    console.print(f"{len(outcomes) - len(failed)} converted, {len(failed)} failed", highlight=False)
    for outcome in failed:
        console.print(
            f"{outcome.name}: {outcome.problem}", style="red", markup=False, highlight=False, soft_wrap=True
        )


def _line(done: Outcome) -> str:
    if done.problem:
        return f"{done.name}: failed after {done.seconds:.1f} s"
    warned = f", {len(done.warnings)} warnings" if done.warnings else ""
    return (
        f"{done.name}: {done.recipe}, {done.size} bytes, error at most {done.fraction:.2%} of the range"
        f"{warned}, {done.seconds:.1f} s"
    )
