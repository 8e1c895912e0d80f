"""The measured lift's numbers: per user the first exposure decides day, arm and window; users with open windows wait.

Whether a user is held out is recomputed from the published hash (docs of the assignment), so that anybody can check it:
the first 32 bits of md5("<optimization_id>:holdout:<anonymous_id>") are below the limit. As fixed-width lowercase
hexadecimal, text compares as the numbers do.
"""

from uuid import UUID

from sqlglot import exp

from warehouse.sql.attribution import Attribution
from warehouse.sql.dialects import Dialect

_HASHES = 1 << 32


def arms(attribution: Attribution) -> exp.Select:
    """day, holdout (1 or 0), users, total, total_squares."""
    spec, dialect = attribution.spec, attribution.dialect
    holdout = held_out(exp.column("uid"), spec.optimization_id, spec.holdout_limit, dialect)
    arm = exp.case().when(holdout, exp.convert(1)).else_(exp.convert(0))
    day = dialect.day(exp.column("at"))
    users = exp.select(exp.alias_(day, "day"), exp.alias_(arm, "holdout"), "y")
    users = users.from_(attribution.credited_users().subquery("credited"))
    users = users.where(attribution.mature(), *attribution.in_period())
    y = exp.column("y")
    return (
        exp.select(
            "day",
            "holdout",
            exp.alias_(exp.func("COUNT", exp.Star()), "users"),
            exp.alias_(exp.Sum(this=y), "total"),
            exp.alias_(exp.Sum(this=exp.Mul(this=y.copy(), expression=y.copy())), "total_squares"),
        )
        .from_(users.subquery("users"))
        .group_by("day", "holdout")
    )


def held_out(uid: exp.Expr, optimization_id: UUID, limit: int, dialect: Dialect) -> exp.Expr:
    """hash < limit. The limit of 100 % has nine digits, so both ends are told outright."""
    if limit <= 0 or limit >= _HASHES:
        return exp.convert(limit > 0)
    text = exp.DPipe(this=exp.convert(f"{optimization_id}:holdout:"), expression=uid)
    digits = dialect.ordered(exp.paren(dialect.hash8(text)))
    return exp.LT(this=digits, expression=exp.convert(f"{limit:08x}"))
