"""Which event a metric counts."""

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from warehouse.models import Metric


def event_of(metric: Metric) -> str:
    """The event that a metric counts, if its query compares `name` with one; else the metric's own name."""
    try:
        query = parse_one(metric.sql)
    except SqlglotError:
        return metric.name
    for equality in query.find_all(exp.EQ):
        column, value = equality.this, equality.expression
        if isinstance(column, exp.Column) and column.name == "name" and isinstance(value, exp.Literal):
            return str(value.this)
    return metric.name
