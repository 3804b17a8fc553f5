"""What gateways say of themselves, for a person."""

from collections.abc import Iterator, Sequence

from edge_agent.fleet.documents import Bundle, Reported, Version

_NAMED = 5


def lines(report: Reported, now: float) -> Iterator[str]:
    """Say a report, a line for the gateway and one for each machine with a candidate; `now` as in reports."""
    said = f"{report.gateway:<24} {report.group:<12} {_ago(now - report.time):>8}"
    versions = ", ".join(
        f"{name}@{v.active}{'' if v.committed else ' on trial'}"
        + (f" (candidate {v.candidate}{' may be promoted' if v.promotable else ''})" if v.candidate else "")
        for name, v in report.bundles.items()
    )
    configuration = f"configuration {report.configuration}" if report.configuration else ""
    orders = (f"{subject}: {p.stage} {p.detail}".strip() for subject, p in report.orders.items())
    yield "  ".join(filter(None, (said, versions, configuration, *orders)))
    for name, version in report.bundles.items():
        yield from (f"    {name}@{version.candidate}: {line}" for line in _candidate(version))


def unready(report: Reported, bundle: Bundle) -> str:
    """Say why a gateway cannot promote a version, "" if it can."""
    version = report.bundles.get(bundle.name)
    if version is not None and version.active == bundle.sequence:
        return f"{bundle.name}@{bundle.sequence} is active there"
    if version is None or version.candidate != bundle.sequence:
        return f"{bundle.name}@{bundle.sequence} is not its candidate"
    return "" if version.promotable else "; ".join(_lacking(version))


def some(names: Sequence[str]) -> str:
    """Say how many gateways, and the first of them by name."""
    first = ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")
    return f"{len(names)} gateway{'' if len(names) == 1 else 's'}: {first}"


def _candidate(version: Version) -> Iterator[str]:
    if version.candidate and version.verdict:
        yield version.verdict
    for machine, shown in version.shown.items():
        said = f"{machine}: {shown.said}" if shown.said else machine
        yield f"{said}; {'lacks ' + '; '.join(shown.lacks) if shown.lacks else 'lacks nothing'}"


def _lacking(version: Version) -> list[str]:
    found = [
        f"{machine}: {', '.join(shown.lacks)}" for machine, shown in version.shown.items() if shown.lacks
    ]
    return found or ["no machine runs it"]


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
