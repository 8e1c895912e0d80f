"""Exposures and rewards as one stream per user: the only sort that attribution needs.

Columns: `uid`, `at` (an instant), `kind` (0: exposure; 1 and up: reward, in the order of the outcomes), `d0…` the
design factors and `c0…` the context factors as text (NULL for rewards), `value` (NULL for exposures).

Of several exposures of a user in the same microsecond the last one by its factors' text is the latest: it does not
matter which, but it must not depend on how the rows lie on the disk.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlglot import exp

from levered_site.errors import InvalidRequest, Issue
from warehouse.mapping import LARGEST_VALUE, SMALLEST_VALUE
from warehouse.sql.dialects import Dialect
from warehouse.sql.spec import Exposures, Period, ReadSpec, Relation, Rewards


def names(prefix: str, factors: Sequence[str]) -> list[str]:
    return [f"{prefix}{i}" for i in range(len(factors))]


def factor_columns(spec: ReadSpec) -> list[str]:
    return names("d", spec.design) + names("c", spec.context)


def event_stream(
    exposures: Exposures,
    rewards: Rewards,
    spec: ReadSpec,
    period: Period,
    dialect: Dialect,
    *,
    factors: bool,
) -> exp.Select:
    """Both kinds of events up to `:now_at`.

    Without `factors` those columns are left out: then it is open which of a user's exposures in the same microsecond
    is the latest, which changes cells, but no number of users, rewards or delays.
    """
    both = exp.union(
        exposure_rows(exposures, spec, dialect, factors=factors),
        reward_rows(rewards, spec, dialect, factors=factors),
        distinct=False,
    )
    stream = exp.select("*").from_(both.subquery("both")).where(exp.column("at") <= exp.Placeholder(this="now_at"))
    if period.start_at:  # an earlier exposure takes no credit from a later one
        stream = stream.where(exp.column("at") >= exp.Placeholder(this="start_at"))
    if period.end_at:  # later exposures do take credit, but no reward after the last window counts
        until = dialect.plus(exp.Placeholder(this="end_at"), spec.window_seconds)
        stream = stream.where(exp.column("at") < until)
    return stream


def newcomers(
    users: exp.Select, columns: Sequence[str], past: Exposures, spec: ReadSpec, dialect: Dialect
) -> exp.Select:
    """Of `users`, one row per uid with these columns, those who had no exposure before `:start_at`.

    Grouped, not joined: planners take what is left of a stream for a handful of rows, and would loop over the past.
    """
    nothing = [exp.null() for _ in columns]
    known = exp.select("uid", *nothing, exp.convert(1)).from_(_seen_before(past, spec, dialect).subquery("seen_before"))
    found = exp.select("uid", *columns, exp.alias_(exp.convert(0), "known")).from_(users.subquery("found"))
    values = [exp.alias_(exp.Max(this=exp.column(name)), name) for name in columns]
    both = exp.union(found, known, distinct=False).subquery("with_the_past")
    is_new = exp.Max(this=exp.column("known")).eq(exp.convert(0))
    return exp.select("uid", *values).from_(both).group_by("uid").having(is_new)


def _seen_before(exposures: Exposures, spec: ReadSpec, dialect: Dialect) -> exp.Select:
    """`uid`: the users of exposures at or after `:start_at` who also had one before it, once each.

    Of the past this needs who was there, not in which order: a scan, where the stream needs a sort. Whose the rows are
    is looked at last, and only where the user was found: to read factors costs more than to look users up.
    """
    relation, mapping = exposures.relation, exposures.mapping
    uid = dialect.ordered(dialect.text(relation.column(mapping.anonymous_id, field="column_mapping.anonymous_id")))
    at = dialect.instant(relation.column(mapping.timestamp, field="column_mapping.timestamp"))
    start = exp.Placeholder(this="start_at")
    later = exp.select(uid).from_(relation.wrapped())  # too many users do no harm here
    later = later.where(at >= start, at <= exp.Placeholder(this="now_at"))
    earlier = exp.select(exp.alias_(uid.copy(), "uid")).from_(relation.wrapped())
    earlier = earlier.where(at < start.copy(), exp.In(this=uid.copy(), query=later.subquery()))
    earlier = earlier.group_by(exp.Literal.number(1))
    ours = exp.case().when(exp.and_(*_counting(exposures, spec, dialect)), exp.convert(1)).else_(exp.convert(0))
    return earlier.having(exp.Max(this=ours).eq(exp.convert(1)))


def in_order(spec: ReadSpec, dialect: Dialect, *, factors: bool) -> exp.Window:
    """The order of the stream, for a window function: `window.copy()` with `this` set."""
    ties = [dialect.ordered(exp.column(c)) for c in factor_columns(spec)] if factors else []
    keys = [exp.column("at"), exp.column("kind"), *ties]
    order = exp.Order(expressions=[exp.Ordered(this=key, nulls_first=True) for key in keys])
    frame = exp.WindowSpec(
        kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"
    )  # by rows: peers of a tie are apart
    return exp.Window(partition_by=[exp.column("uid")], order=order, spec=frame)


def exposure_rows(exposures: Exposures, spec: ReadSpec, dialect: Dialect, *, factors: bool) -> exp.Select:
    """The exposures as events; without `factors` those columns are left out."""
    relation, mapping = exposures.relation, exposures.mapping
    uid = relation.column(mapping.anonymous_id, field="column_mapping.anonymous_id")
    at = relation.column(mapping.timestamp, field="column_mapping.timestamp")
    columns: list[exp.Expr] = [
        exp.alias_(dialect.ordered(dialect.text(uid)), "uid"),
        exp.alias_(dialect.instant(at), "at"),
        exp.alias_(exp.convert(0), "kind"),
    ]
    if factors:
        design = [_design_value(exposures, name, dialect) for name in spec.design]
        context = [_context_value(exposures, name, dialect) for name in spec.context]
        pairs = zip(factor_columns(spec), design + context, strict=True)
        columns += [exp.alias_(value.copy(), name) for name, value in pairs]
    columns.append(exp.alias_(exp.cast(exp.null(), "double"), "value"))
    rows = exp.select(*columns).from_(relation.wrapped()).where(_present(uid), _present(at))
    return rows.where(*_counting(exposures, spec, dialect))


def _counting(exposures: Exposures, spec: ReadSpec, dialect: Dialect) -> list[exp.Expr]:
    """Which exposures are this optimization's: by its id, else by having every design factor."""
    if exposures.relation.has("optimization_id"):
        return [_is_of(exposures.relation, spec.optimization_id, dialect)]
    if exposures.pinned:
        return []
    return [_present(_design_value(exposures, name, dialect)) for name in spec.design]


def reward_rows(rewards: Rewards, spec: ReadSpec, dialect: Dialect, *, factors: bool) -> exp.Select:
    """The rewards that count as events; without `factors` those columns are left out."""
    relation, mapping = rewards.relation, rewards.mapping
    uid = relation.column(mapping.anonymous_id, field="column_mapping.anonymous_id")
    at = relation.column(mapping.timestamp, field="column_mapping.timestamp")
    kind, value, counts = _reward_value(rewards, spec, dialect)
    columns: list[exp.Expr] = [
        exp.alias_(dialect.ordered(dialect.text(uid)), "uid"),
        exp.alias_(dialect.instant(at), "at"),
        exp.alias_(kind, "kind"),
    ]
    if factors:
        columns += [exp.alias_(exp.cast(exp.null(), "text"), name) for name in factor_columns(spec)]
    columns.append(exp.alias_(value, "value"))
    rows = exp.select(*columns).from_(relation.wrapped()).where(_present(uid), _present(at), *counts)
    if relation.has("optimization_id"):
        unpinned = relation.column("optimization_id", field="optimization_id").is_(exp.null())
        rows = rows.where(exp.or_(unpinned, _is_of(relation, spec.optimization_id, dialect)))
    return rows


def _reward_value(rewards: Rewards, spec: ReadSpec, dialect: Dialect) -> tuple[exp.Expr, exp.Expr, list[exp.Expr]]:
    """A reward row's kind, its value, and the conditions under which it counts."""
    relation, mapping = rewards.relation, rewards.mapping
    one = exp.convert(1)
    if mapping.outcomes:
        kind, weight, matches = exp.Case(), exp.Case(), []
        for i, outcome in enumerate(mapping.outcomes):
            column = relation.column(getattr(mapping, outcome.by), field=f"column_mapping.{outcome.by}")
            typed = dialect.text(column) if outcome.by == "name" else dialect.number(column)
            match = typed.eq(exp.convert(outcome.equals))
            matches.append(match)
            kind = kind.when(match.copy(), exp.convert(i + 1))
            weight = weight.when(match.copy(), exp.cast(exp.convert(outcome.weight), "double"))
        return kind, weight, [exp.or_(*matches)]
    if mapping.value is None:
        if spec.reward_type == "numeric":
            message = "A numeric reward needs a metric whose column_mapping names the column of its value."
            raise InvalidRequest(message, details=[Issue("reward_metric_id", message)])
        return one, exp.cast(one.copy(), "double"), []
    value = dialect.number(relation.column(mapping.value, field="column_mapping.value"))
    if spec.reward_type == "bool":
        return one, exp.cast(one.copy(), "double"), [value > exp.convert(0)]
    not_tiny = exp.case().when(_within(value, SMALLEST_VALUE), exp.convert(0.0)).else_(value)
    return one, not_tiny, [_within(value, LARGEST_VALUE)]


def _within(value: exp.Expr, size: float) -> exp.Expr:
    return exp.Between(this=value.copy(), low=exp.convert(-size), high=exp.convert(size))


def _design_value(exposures: Exposures, name: str, dialect: Dialect) -> exp.Expr:
    """By the mapped column, else from the variant's JSON, else from a column of the factor's name."""
    relation, mapping = exposures.relation, exposures.mapping
    mapped = dict(mapping.factors).get(name)
    if mapped is not None:
        return dialect.text(relation.column(mapped, field=f"column_mapping.factors.{name}"))
    if mapping.variant is not None:
        return dialect.json_text(relation.column(mapping.variant, field="column_mapping.variant"), name)
    return dialect.text(relation.column(name, field=f"column_mapping.factors.{name}"))


def _context_value(exposures: Exposures, name: str, dialect: Dialect) -> exp.Expr:
    """From the context's JSON, else from a column of the factor's name, else missing: the model reads it as average."""
    relation, mapping = exposures.relation, exposures.mapping
    if mapping.context is not None:
        return dialect.json_text(relation.column(mapping.context, field="column_mapping.context"), name)
    if relation.has(name):
        return dialect.text(relation.column(name, field="column_mapping.context"))
    return exp.cast(exp.null(), "text")


def _is_of(relation: Relation, optimization_id: UUID, dialect: Dialect) -> exp.Expr:
    column = relation.column("optimization_id", field="optimization_id")
    return exp.func("LOWER", dialect.text(column)).eq(exp.convert(str(optimization_id)))


def _present(value: exp.Expr) -> exp.Expr:
    return exp.not_(value.copy().is_(exp.null()))
