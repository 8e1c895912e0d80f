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
