"""The measured lift's numbers: per user the first exposure decides day, arm and window; users with open windows wait.

Whether a user is held out is recomputed from the published hash (docs of the assignment), so that anybody can check it:
the first 32 bits of md5("<optimization_id>:holdout:<anonymous_id>") are below the limit. As fixed-width lowercase
hexadecimal, text compares as the numbers do. Where the limit was changed, the one in force at the first exposure
counts, and users of different limits are kept apart as regimes.
"""

from uuid import UUID

from sqlglot import exp

from warehouse.sql.attribution import Attribution
from warehouse.sql.dialects import Dialect
from warehouse.sql.spec import ReadSpec

_HASHES = 1 << 32


def arms(attribution: Attribution) -> exp.Select:
    """day, regime (0, 1, …), holdout (1 or 0), users, total, total_squares. Parameters: `change_1`, … besides."""
    spec, dialect = attribution.spec, attribution.dialect
    day = dialect.day(exp.column("at"))
    regimes: list[exp.Expr] = [exp.convert(i) for i in range(len(spec.limits))]
    regime = in_force(regimes, "change")
    columns = [exp.alias_(day, "day"), exp.alias_(regime, "regime"), exp.alias_(arm(spec, dialect), "holdout")]
    users = exp.select(*columns, "y").from_(attribution.credited_users().subquery("credited"))
    users = users.where(attribution.mature(), *attribution.in_period())
    y = exp.column("y")
    return (
        exp.select(
            "day",
            "regime",
            "holdout",
            exp.alias_(exp.func("COUNT", exp.Star()), "users"),
            exp.alias_(exp.Sum(this=y), "total"),
            exp.alias_(exp.Sum(this=exp.Mul(this=y.copy(), expression=y.copy())), "total_squares"),
        )
        .from_(users.subquery("users"))
        .group_by("day", "regime", "holdout")
    )


def arm(spec: ReadSpec, dialect: Dialect) -> exp.Expr:
    """1 where the user was held out when the first exposure came, else 0. Parameters: `change_1`, …"""
    uid = exp.column("uid")
    values = [
        exp.case().when(held_out(uid, spec.optimization_id, limit, dialect), exp.convert(1)).else_(exp.convert(0))
        for limit in spec.limits
    ]
    return in_force(list(values), "change")


def in_force(values: list[exp.Expr], prefix: str) -> exp.Expr:
    """The latest value whose beginning, the parameter `<prefix>_<i>`, is not after `at`; the first one has none."""
    if len(values) == 1:
        return values[0]
    case = exp.Case()
    for i in range(len(values) - 1, 0, -1):
        case = case.when(exp.column("at") >= exp.Placeholder(this=f"{prefix}_{i}"), values[i])
    return case.else_(values[0])


def held_out(uid: exp.Expr, optimization_id: UUID, limit: int, dialect: Dialect) -> exp.Expr:
    """hash < limit. The limit of 100 % has nine digits, so both ends are told outright."""
    if limit <= 0 or limit >= _HASHES:
        return exp.convert(limit > 0)
    text = exp.DPipe(this=exp.convert(f"{optimization_id}:holdout:"), expression=uid)
    digits = dialect.ordered(exp.paren(dialect.hash8(text)))
    return exp.LT(this=digits, expression=exp.convert(f"{limit:08x}"))
