"""Whether events arrive, and whether rewards find the users they belong to."""

from sqlglot import exp

from warehouse.sql.dialects import Dialect
from warehouse.sql.events import exposure_rows, reward_rows
from warehouse.sql.spec import Exposures, ReadSpec, Rewards


def arrived(rows: exp.Select) -> exp.Select:
    """How many events there are, the latest one's `at`, those since `:day_at`, since `:week_at`, after `:ahead_at`.

    Args:
        rows: of `sql.events`. An event after `:ahead_at` is ahead of time and counts nowhere else.
    """
    at, ahead = exp.column("at"), exp.column("at") > exp.Placeholder(this="ahead_at")
    in_time = exp.not_(ahead.copy())

    def count(*conditions: exp.Expr) -> exp.Expr:
        chosen = exp.case().when(exp.and_(*(c.copy() for c in conditions)), exp.convert(1))
        return exp.func("COUNT", chosen)

    def since(name: str) -> exp.Expr:
        return exp.column("at") >= exp.Placeholder(this=name)

    columns = {
        "total": count(in_time),
        "latest": exp.Max(this=exp.case().when(in_time.copy(), at)),
        "last_day": count(in_time, since("day_at")),
        "last_week": count(in_time, since("week_at")),
        "ahead": count(ahead),
    }
    return exp.select(*(exp.alias_(value, name) for name, value in columns.items())).from_(rows.subquery("events"))


def matched(exposures: Exposures, rewards: Rewards, spec: ReadSpec, dialect: Dialect) -> exp.Select:
    """Rewards since `:month_at`, and how many of them are of a user who was ever exposed; grouped, not joined."""
    recent = exp.column("at") >= exp.Placeholder(this="month_at")
    kinds = (
        (exposure_rows(exposures, spec, dialect, factors=False), exp.convert(1), exp.convert(0)),
        (
            reward_rows(rewards, spec, dialect, factors=False),
            exp.convert(0),
            exp.case().when(recent, exp.convert(1)).else_(exp.convert(0)),
        ),
    )
    events = [
        exp.select("uid", exp.alias_(shown, "shown"), exp.alias_(rewarded, "rewarded")).from_(rows.subquery("events"))
        for rows, shown, rewarded in kinds
    ]
    users = (
        exp.select(
            exp.alias_(exp.Max(this=exp.column("shown")), "shown"),
            exp.alias_(exp.Sum(this=exp.column("rewarded")), "rewarded"),
        )
        .from_(exp.union(*events, distinct=False).subquery("both"))
        .group_by("uid")
    )
    total: exp.Expr = exp.Sum(this=exp.column("rewarded"))
    of_exposed = exp.case().when(exp.column("shown").eq(exp.convert(1)), exp.column("rewarded")).else_(exp.convert(0))
    columns = {"rewards": total, "matched": exp.Sum(this=of_exposed)}
    sums = [exp.alias_(exp.func("COALESCE", value, exp.convert(0)), name) for name, value in columns.items()]
    return exp.select(*sums).from_(users.subquery("users"))
