"""Recognizes SELECTs that only pick rows and columns of one table."""

from sqlglot import exp

_GATHERING = (exp.Join, exp.Group, exp.Having, exp.Distinct, exp.Limit, exp.Offset, exp.Window, exp.AggFunc, exp.With)


def is_plain(scoped: exp.Query) -> bool:
    """Whether each row of the one stored table becomes at most one row, whatever the other rows are.

    Then a filter on `optimization_id` above it may as well sit beneath it, where an index serves it.
    """
    selects = list(scoped.find_all(exp.Select))
    computed = any(a.alias.lower() == "optimization_id" for a in selects[0].expressions if isinstance(a, exp.Alias))
    return (
        len(selects) == 2  # the customer's, and ours beneath it
        and isinstance(selects[0].args["from_"].this if selects[0].args.get("from_") else None, exp.Subquery)
        and not computed
        and not any(scoped.find_all(*_GATHERING, exp.SetOperation))
    )


_VOLATILE = (
    exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime, exp.CurrentTimestamp, exp.CurrentTimestampLTZ,
    exp.CurrentUser, exp.Localtime, exp.Localtimestamp, exp.Systimestamp, exp.UtcDate, exp.UtcTime, exp.UtcTimestamp,
    exp.Rand, exp.Randn, exp.Randstr, exp.Uniform, exp.Uuid,
)  # fmt: skip
_VOLATILE_NAMES = {"now", "today", "age", "clock_timestamp", "timeofday", "random", "setseed", "generate_uuid"}
_VOLATILE_TEXTS = {"now", "today", "tomorrow", "yesterday"}  # as times, they are read when the query runs


def is_rowwise(query: exp.Query, time_column: str) -> bool:
    """Whether what a row becomes hangs on that row alone, today as tomorrow: then days that are over can be kept.

    One SELECT after another from one table or view, without joins, groups or the clock; `@start_date` only as the
    lower bound of `time_column`, where it leaves out what the period leaves out anyway. Anything else may be right, but
    is read in full each time.
    """
    depth = 0
    inner: exp.Expr | None = query
    while isinstance(inner, exp.Select):
        depth += 1
        source = inner.args["from_"].this if inner.args.get("from_") else None
        inner = source.this if isinstance(source, exp.Subquery) else source
    if not isinstance(inner, exp.Table) or isinstance(inner.this, exp.Func):
        return False
    if len(list(query.find_all(exp.Select))) != depth or any(query.find_all(*_GATHERING, exp.SetOperation, *_VOLATILE)):
        return False
    if any(map(_may_change, query.find_all(exp.Func, exp.Literal))):
        return False
    return all(_is_lower_bound(bound, query, time_column) for bound in query.find_all(exp.Placeholder))


def _may_change(node: exp.Expr) -> bool:
    if isinstance(node, exp.Literal):
        return node.is_string and node.name.strip().lower() in _VOLATILE_TEXTS
    if isinstance(node, exp.Anonymous) and node.name.lower() in _VOLATILE_NAMES:
        return True
    return not any(v for k, v in node.args.items() if not (isinstance(node, exp.Anonymous) and k == "this"))


def plain_column(query: exp.Query, name: str) -> exp.Column | None:
    """The column that `name` is of a SELECT, when it is one as it stands; by its own name beneath a star."""
    for projection in query.selects:
        if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and projection.is_star):
            return exp.column(name)
        if projection.alias_or_name.lower() == name.lower():
            value = projection.unalias()
            return value if isinstance(value, exp.Column) else None
    return None


def _is_lower_bound(bound: exp.Placeholder, query: exp.Query, time_column: str) -> bool:
    node: exp.Expr = bound
    while isinstance(node.parent, exp.Cast | exp.Paren):
        node = node.parent
    comparison, column = node.parent, plain_column(query, time_column)
    if column is None or not isinstance(comparison, exp.GTE | exp.LTE):
        return False
    left, right = comparison.left, comparison.right
    compared = left if isinstance(comparison, exp.GTE) and right is node else right
    if (isinstance(comparison, exp.GTE) and right is not node) or (
        isinstance(comparison, exp.LTE) and left is not node
    ):
        return False
    alone = comparison.parent
    while isinstance(alone, exp.And | exp.Paren):
        alone = alone.parent
    is_condition = isinstance(alone, exp.Where) and alone.parent is query
    return is_condition and isinstance(compared, exp.Column) and compared.name.lower() == column.name.lower()
