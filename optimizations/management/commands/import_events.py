"""`manage.py import_events`: a log of exposures and rewards into the managed warehouse."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import Q
from tqdm import tqdm

from levered_site.errors import DomainError, Unavailable
from levered_site.organizations.models import Organization
from optimizations.config import read_config
from optimizations.models import Optimization
from optimizations.services.importing import Columns, Step, import_rows
from optimizations.services.log_designs import optimization_of_log
from optimizations.services.log_files import FORMATS, LogRow, columns_of, format_of, read_log
from optimizations.states import Status
from warehouse.services.connections import require_managed


@dataclass(frozen=True)
class _Log:
    path: Path
    format: str
    columns: list[str]


class Command(BaseCommand):
    help = (
        "Loads a log into the managed warehouse: every row becomes an exposure, and a reward when its reward is not 0. "
        "Rows that are stored already are left alone: run the same command again to go on where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV with a header, or JSON lines; UTF-8.")
        parser.add_argument("--format", choices=FORMATS, help="Told by the file's name when omitted.")
        into = parser.add_mutually_exclusive_group(required=True)
        into.add_argument("--optimization", metavar="ID", help="Import into this optimization.")
        into.add_argument(
            "--create-optimization",
            metavar="NAME",
            help="Make an optimization, and its metric, with the levels that occur in the file; or go on with the one "
            "that an earlier run made.",
        )
        parser.add_argument("--organization", help="Its id or name; needed to create when there are several.")
        parser.add_argument("--timestamp", default="timestamp", metavar="COLUMN", help="Default: timestamp.")
        parser.add_argument("--timezone", help="Of times without an offset, e.g. UTC or Europe/Berlin.")
        parser.add_argument("--anonymous-id", metavar="COLUMN", help="Omitted: every row is another user.")
        for kind in ("factor", "context"):
            parser.add_argument(
                f"--{kind}",
                action="append",
                default=[],
                metavar="NAME[=COLUMN]",
                help=f"A {'design' if kind == 'factor' else 'context'} factor and its column; repeat for more.",
            )
        parser.add_argument("--reward-column", metavar="COLUMN", help="Its non-zero values become rewards.")
        parser.add_argument("--reward-name", metavar="NAME", help="Default: the optimization's, or the column's name.")
        parser.add_argument("--window-hours", type=float, default=24, help="Conversion window of a new optimization.")
        parser.add_argument("--source", default="", help="Sets apart files that have the same rows at the same lines.")
        parser.add_argument("--dry-run", action="store_true", help="Check every row and store nothing.")
        parser.add_argument("--max-errors", type=int, default=20, help="How many refused rows to show. Default: 20.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._import(options)
        except DomainError as error:
            told = [f"\n  {d.field}: {d.message}" for d in error.details]
            raise CommandError(error.message + "".join(told)) from error
        except OSError as error:
            raise CommandError(str(error)) from error

    def _import(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        file_format = options["format"] or format_of(path)
        log = _Log(path, file_format, columns_of(path, file_format))
        columns = _columns(options)
        with transaction.atomic() if options["dry_run"] else nullcontext():
            if options["optimization"]:
                optimization = _optimization(options["optimization"], options["organization"])
            else:
                _check(log, columns)
                optimization = self._created(log, columns, options)
            columns = _completed(columns, optimization, log)
            _check(log, columns)
            require_managed(optimization.organization)
            if optimization.status == Status.ARCHIVED:
                raise CommandError(f"The optimization {optimization.pk} is archived; its events would not count.")
            total = self._run(log, optimization, columns, options)
            if options["dry_run"]:
                transaction.set_rollback(True)  # a new optimization is no more than checked either
        self.stdout.write(_told(total, dry_run=options["dry_run"]))
        if total.refused:
            raise CommandError("Correct the refused rows and run the same command again: it stores what is missing.")

    def _created(self, log: _Log, columns: Columns, options: dict[str, Any]) -> Optimization:
        organization = _organization(options["organization"])
        require_managed(organization)
        with _bar("Reading the levels", log) as bar:
            optimization, new = optimization_of_log(
                organization,
                name=options["create_optimization"],
                rows=_watched(read_log(log.path, log.format), bar),
                columns=columns,
                window_hours=options["window_hours"],
            )
        config = read_config(optimization.training_data_config)
        self.stdout.write(
            f"Optimization {optimization.pk} '{optimization.name}' of {organization.name} ({organization.public_id}), "
            f"{'new' if new else 'as an earlier run made it'}: {config.n_variants:,} variants."
        )
        return optimization

    def _run(self, log: _Log, optimization: Optimization, columns: Columns, options: dict[str, Any]) -> Step:
        total = Step()
        steps = import_rows(
            optimization,
            read_log(log.path, log.format),
            columns,
            source=options["source"],
            dry_run=options["dry_run"],
        )
        try:
            with _bar("Importing", log) as bar:
                for step in steps:
                    for issue in step.issues[: max(0, options["max_errors"] - total.refused)]:
                        bar.write(f"{log.path.name}:{issue.line}: {issue.message}", file=self.stderr)
                    total += step
                    bar.update(step.end - bar.n)
        except (KeyboardInterrupt, Unavailable) as stop:
            raise CommandError(
                f"Stopped after {total.rows:,} rows: {stop or 'interrupted'}. Run the same command again to go on."
            ) from stop
        return total


def _told(total: Step, *, dry_run: bool) -> str:
    if dry_run:
        return (
            f"{total.rows:,} rows: {total.exposures:,} exposures and {total.rewards:,} rewards could be stored, "
            f"{total.refused:,} rows refused. Nothing was stored."
        )
    return (
        f"{total.rows:,} rows: {total.exposures:,} exposures stored ({total.known_exposures:,} already were), "
        f"{total.rewards:,} rewards stored ({total.known_rewards:,} already were), {total.refused:,} rows refused."
    )


def _bar(what: str, log: _Log) -> Any:
    """A bar over the file's bytes, for a person who watches; a log file gets none."""
    return tqdm(desc=what, total=log.path.stat().st_size, unit="B", unit_scale=True, disable=None, leave=False)


def _watched(rows: Iterable[LogRow], bar: Any) -> Iterator[LogRow]:
    for row in rows:
        bar.update(row.end - bar.n)
        yield row


def _columns(options: dict[str, Any]) -> Columns:
    timezone = None
    if options["timezone"]:
        try:
            timezone = ZoneInfo(options["timezone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise CommandError(f"--timezone: {options['timezone']} is not a time zone.") from error
    return Columns(
        timestamp=options["timestamp"],
        factors=_pairs(options["factor"], "--factor"),
        context=_pairs(options["context"], "--context"),
        anonymous_id=options["anonymous_id"],
        reward=options["reward_column"],
        reward_name=options["reward_name"] or "",
        timezone=timezone,
    )


def _pairs(words: list[str], flag: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        name, _, column = word.partition("=")
        if not name or name in pairs:
            raise CommandError(f"{flag} {word}: a factor needs a name, and only one column.")
        pairs[name] = column or name
    return pairs


def _organization(named: str | None) -> Organization:
    found = Organization.objects.order_by("pk")
    if named:
        found = found.filter(Q(public_id=named) | Q(name=named))
    if len(found) != 1:
        every = ", ".join(f"{o.name} ({o.public_id})" for o in Organization.objects.order_by("pk")[:20])
        raise CommandError(f"--organization must name one of: {every or 'none exists yet; run bootstrap first'}.")
    return found[0]


def _optimization(named: str, organization: str | None) -> Optimization:
    try:
        found = Optimization.objects.select_related("organization").filter(pk=UUID(named)).first()
    except ValueError as error:
        raise CommandError(f"--optimization: {named} is not an id.") from error
    if found is None or (organization and found.organization != _organization(organization)):
        raise CommandError(f"--optimization: there is no optimization {named}.")
    return found


def _completed(columns: Columns, optimization: Optimization, log: _Log) -> Columns:
    """What the flags leave out, from the design: factors in columns of their own name, and the reward's name."""
    config = read_config(optimization.training_data_config)
    if unknown := set(columns.factors) - config.names:
        raise CommandError(f"--factor: {', '.join(sorted(unknown))}: not a design factor of this optimization.")
    context = {f.name: f.name for f in config.context if f.name in log.columns}
    return replace(
        columns,
        factors={f.name: columns.factors.get(f.name, f.name) for f in config.design},
        context=context | dict(columns.context),
        reward_name=columns.reward_name or config.reward_name,
    )


def _check(log: _Log, columns: Columns) -> None:
    """A column that is not there is told at once, not for every row. In JSON lines a later row may have it."""
    if log.format == "csv" and (missing := [c for c in columns.named if c not in log.columns]):
        raise CommandError(f"{log.path.name} has no column {', '.join(missing)}; it has {', '.join(log.columns)}.")
    if twice := sorted({c for c in log.columns if log.columns.count(c) > 1}):
        raise CommandError(f"{log.path.name} has the column {', '.join(twice)} twice.")
    if not columns.factors:
        raise CommandError("Name at least one design factor with --factor NAME=COLUMN.")
    if columns.reward and not 1 <= len(columns.reward_name or columns.reward) <= 255:
        raise CommandError("--reward-name has 1 to 255 characters.")
