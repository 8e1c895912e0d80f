"""Who was shown what by which policy: users by their first exposure, for comparing with what was served."""

from sqlglot import exp

from warehouse.sql.arms import arm, in_force
from warehouse.sql.dialects import Dialect
from warehouse.sql.events import exposure_rows, factor_columns, in_order, newcomers
from warehouse.sql.spec import Exposures, ReadSpec


def assigned(exposures: Exposures, spec: ReadSpec, dialect: Dialect, *, policies: int) -> exp.Select:
    """Design factors, context factors, policy (0, 1, …), holdout (1 or 0), users.

    Counted are users whose first exposure came at or after `start_at`, when policy 0 began. Parameters: `policy_1`, …
    when the later ones began, `now_at`, and `change_1`, … of the holdout.
    """
    factors = factor_columns(spec)
    window = in_order(spec, dialect, factors=True)
    window.set("this", exp.RowNumber())
    window.set("spec", None)
    rows = exposure_rows(exposures, spec, dialect, factors=True)
    recent = exp.select("*").from_(rows.subquery("rows"))
    recent = recent.where(exp.column("at") >= exp.Placeholder(this="start_at"))
    recent = recent.where(exp.column("at") <= exp.Placeholder(this="now_at"))
    numbered = exp.select("uid", "at", *factors, exp.alias_(window, "touch")).from_(recent.subquery("recent"))
    first = exp.select("*").from_(numbered.subquery("numbered")).where(exp.column("touch").eq(exp.convert(1)))
    new = newcomers(first, ["at", *factors], exposures, spec, dialect)
    policy = in_force([exp.convert(i) for i in range(policies)], "policy")
    told = exp.select(*factors, exp.alias_(policy, "policy"), exp.alias_(arm(spec, dialect), "holdout"))
    keys = [*factors, "policy", "holdout"]
    count = exp.alias_(exp.func("COUNT", exp.Star()), "users")
    return (
        exp.select(*keys, count)
        .from_(told.from_(new.subquery("newcomers")).subquery("first_exposures"))
        .group_by(*keys)
    )
