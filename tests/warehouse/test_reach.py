"""Customer SQL for customers' own warehouses: what reaches beyond the tables is refused before it leaves."""

import pytest

from levered_site.errors import InvalidRequest
from tests.warehouse.attacks import REACHING, WITHIN
from warehouse.sql.dialects import dialect_of
from warehouse.sql.parse import parse_select
from warehouse.sql.reach import check_reach


def passed(name: str, sql: str) -> None:
    dialect = dialect_of(name)
    tree = parse_select(sql, name)
    check_reach(tree, dialect)
    dialect.render(tree, {"start_date": None})


@pytest.mark.parametrize(("name", "sql"), REACHING)
def test_what_reaches_further_is_refused(name: str, sql: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        passed(name, sql)
    assert refused.value.details


@pytest.mark.parametrize(("name", "sql"), WITHIN)
def test_what_people_write_passes(name: str, sql: str) -> None:
    passed(name, sql)
